"""Fixtures of the client's tests: a server that keeps the contract, and scans for it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from contract_server import ContractServer, serving
from embedded_stand_in import write_stand_in
from s3_server import S3Server, s3_server
from sessions import IMPATIENT
from synthseg_client.calls.session import Session


@contextmanager
def _as_nobody() -> Iterator[None]:
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def as_nobody() -> Callable[[], AbstractContextManager[None]]:
    """A block in which permissions count: root, who may do everything, is somebody else there."""
    return _as_nobody


@pytest.fixture
def model() -> ContractServer:
    """The model behind `address`, with its switches and records."""
    return ContractServer()


@pytest.fixture
def address(model: ContractServer) -> Iterator[str]:
    """Address of a running server."""
    with serving(model) as target:
        yield target


@pytest.fixture
def session(address: str) -> Iterator[Session]:
    """A session with the server that soon gives up trying again."""
    with Session(address, timeout_s=300, retry=IMPATIENT) as opened:
        yield opened


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of `embedded_stand_in`, where the embedded server is looked for."""
    package = write_stand_in(tmp_path)
    paths = [str(package.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setattr("synthseg_client.embedded.is_installed", lambda: True)
    return package


@pytest.fixture
def save_scan() -> Callable[..., Path]:
    """A function that writes a scan with three structures."""
    return write_scan


def write_scan(
    path: Path,
    shape: tuple[int, int, int] = (30, 32, 20),
    affine: np.ndarray | None = None,
    seed: int = 0,
) -> Path:
    """A bright box in a dark one in noise, by default in LIP order with 2 mm slices."""
    image = np.random.default_rng(seed).random(shape, np.float32)
    inner = tuple(slice(n // 5, n - n // 5) for n in shape)
    core = tuple(slice(n // 3, n - n // 3) for n in shape)
    image[inner] += 60
    image[core] += 40
    if affine is None:
        affine = np.array([[-1.0, 0, 0, 5], [0, 0, -2, -7], [0, -1, 0, 9], [0, 0, 0, 1]])
    if path.suffix in (".mgz", ".mgh"):
        nib.save(nib.MGHImage(image, affine), path)
    elif path.suffix == ".npz":
        np.savez(path, vol_data=image, affine=affine)
    else:
        nib.save(nib.Nifti1Image(image, affine), path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty files named as scans of every format, and others; `scans` from the current folder."""
    monkeypatch.chdir(tmp_path)
    scans = tmp_path / "scans"
    scans.mkdir()
    names = ("b.nii.gz", "a.nii", "c.mgz", "d.npz", "e.mgh", "f.img", "f.hdr", "x.txt", ".g.nii.gz")
    for name in names:
        (scans / name).touch()
    (scans / "deeper").mkdir()
    (scans / "deeper/z.nii.gz").touch()
    return scans


@pytest.fixture
def subjects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty files in folders of two subjects, `fs` from the current folder."""
    monkeypatch.chdir(tmp_path)
    for subject in ("bert", "anna"):
        (tmp_path / "fs" / subject / "mri").mkdir(parents=True)
        for name in ("orig.mgz", f"{subject}.mgz"):
            (tmp_path / "fs" / subject / "mri" / name).touch()
    return tmp_path / "fs"


@pytest.fixture
def scans(tmp_path: Path, save_scan: Callable[..., Path]) -> Path:
    """A folder with a scan of each format that is written."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for index, suffix in enumerate((".nii.gz", ".nii", ".mgz", ".npz")):
        save_scan(folder / f"s{index}{suffix}", seed=index)
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A running S3 server, which this process and its children use."""
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """The address of an empty bucket."""
    return s3.make_bucket(f"b{uuid.uuid4().hex[:12]}")

"""Damaged files of every format: read, or refused in one line; never a crash, never in silence."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_images import LABELS, mgh, nifti
from synthseg_client.errors import ScanError
from synthseg_client.inputs.scans import read_scan

MOST_BYTES = 96 * 2**20


def npz() -> bytes:
    packed = io.BytesIO()
    np.savez(packed, vol_data=LABELS, affine=np.eye(4))
    return packed.getvalue()


def analyze_header() -> bytes:
    return nifti()[:344].ljust(348, b"\0")


# Content by name, and how much of it is worth damaging: headers, and what frames the voxels.
FORMATS: dict[str, tuple[Callable[[], bytes], int]] = {
    "scan.nii": (nifti, 352),
    "two.nii": (lambda: nifti(two=True), 544),
    "scan.nii.gz": (lambda: gzip.compress(nifti(), mtime=0), 300),
    "scan.mgh": (mgh, 90),
    "scan.mgz": (lambda: gzip.compress(mgh(), mtime=0), 300),
    "scan.npz": (npz, 5000),
    "scan.hdr": (analyze_header, 348),
}
Damage = tuple[str, list[tuple[int, bytes]], int | None, bool]
DAMAGE = st.tuples(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=4)), max_size=4),
    st.one_of(st.none(), st.integers(0, 1 << 16)),
    st.booleans(),
)


def write_damaged(
    folder: Path,
    name: str,
    changes: list[tuple[int, bytes]],
    kept: int | None,
    *,
    packed: bool = False,
) -> Path:
    """A sound file with bytes replaced and the end cut off, compressed afterwards if asked."""
    make, reach = FORMATS[name]
    content = bytearray(make())
    for position, values in changes:
        start = position % min(reach, len(content))
        content[start : start + len(values)] = values
    if kept is not None:
        content = content[: kept % (len(content) + 1)]
    if packed and name.endswith((".nii", ".mgh")):
        name = (name + ".gz").replace(".mgh.gz", ".mgz")
        content = bytearray(gzip.compress(content, 1))
    path = folder / name
    path.write_bytes(content)
    if path.suffix == ".hdr":
        path.with_suffix(".img").write_bytes(LABELS.tobytes(order="F"))
    return path


def check_that_it_is_read_or_refused(path: Path) -> None:
    refused = None
    try:
        scan = read_scan(path)
    except ScanError as error:
        refused = str(error)
    if refused is not None:
        assert refused.startswith(f"{path}: ")
        assert "\n" not in refused
    else:
        assert scan.image.dtype == np.float32
        assert np.isfinite(scan.image).all()
        assert np.isfinite(scan.affine).all()


def check(folder: Path, damage: Damage) -> None:
    name, changes, kept, packed = damage
    check_that_it_is_read_or_refused(write_damaged(folder, name, changes, kept, packed=packed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(damage=DAMAGE)
def test_a_damaged_file_is_read_or_refused(folder: Path, damage: Damage) -> None:
    check(folder, damage)


@pytest.mark.slow
def test_five_thousand_damaged_files_are_read_or_refused_within_bounded_memory(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    @settings(
        max_examples=5_000,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damage=DAMAGE)
    def run(damage: Damage) -> None:
        check(folder, damage)

    tracemalloc.start()
    try:
        run()
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_of_a_file_is_refused(folder: Path, name: str) -> None:
    length = len(FORMATS[name][0]())
    for kept in sorted({*range(0, min(length, 400), 11), *range(400, length - 1, 97)}):
        path = write_damaged(folder, name, [], kept)
        with pytest.raises(ScanError, match=str(path)):
            read_scan(path)

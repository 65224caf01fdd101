"""`mri_synthseg` with real servers and weights of the released layout, as pipelines call it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from colour_tables import table_in
from synthseg_common.arrays import Float32Array
from synthseg_serving.official.networks import V1

PROGRAM = "from synthseg_client.mri_synthseg.cli import main; main()"
SMALL = ("--v1", "--fast", "--crop", "32", "--cpu")


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Nothing but `$FREESURFER_HOME` with SynthSeg 1.0 in it, an empty cache, a runtime folder."""
    models = tmp_path / "freesurfer/models"
    models.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with h5py.File(models / V1.file, "w") as file:
        for name, shape in V1.shapes.items():
            layer, variable = name.split("/")
            place = f"{layer}/{layer}/{variable}:0"
            file.create_dataset(place, data=_weights(variable, shape, rng))
    (models.parent / "FreeSurferColorLUT.txt").write_text("0 Unknown 0 0 0 0\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SYNTHSEG", "FREESURFER"))}
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="run-") as runtime:
        yield {
            **kept,
            "FREESURFER_HOME": str(models.parent),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "XDG_RUNTIME_DIR": runtime,
        }


def _weights(variable: str, shape: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    """Such that a network's answers differ from voxel to voxel."""
    if variable in ("gamma", "moving_variance"):
        return rng.uniform(0.5, 2.0, shape).astype(np.float32)
    fan_in = float(np.prod(shape[:-1]))
    return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    image = np.random.default_rng(0).random((32, 32, 32), np.float32)
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def _start(environment: Mapping[str, str], *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_several_at_once_on_an_empty_cache_make_the_same(
    environment: dict[str, str], scan: Path, tmp_path: Path
) -> None:
    results = [tmp_path / f"{index}.nii.gz" for index in range(3)]
    calls = [_start(environment, "--i", scan, "--o", path, *SMALL) for path in results]
    told = [call.communicate(timeout=600) for call in calls]
    assert [call.returncode for call in calls] == [0] * 3, told
    assert len({path.read_bytes() for path in results}) == 1
    assert table_in(results[0]) == [(0, "Unknown", 0, 0, 0, 0)]
    sets = [p for p in (tmp_path / "cache/synthseg/models/official").iterdir() if p.is_dir()]
    assert len(sets) == 1
    lacking = _start(environment, "--i", scan, "--o", tmp_path / "x.nii.gz")
    assert "lacks synthseg_2.0.h5" in lacking.communicate(timeout=60)[1]
    assert lacking.returncode == 1


@pytest.mark.slow
def test_a_kept_server_serves_the_next_call_and_ends_when_nobody_asks(
    environment: dict[str, str], scan: Path, tmp_path: Path
) -> None:
    pids = set()
    folder = Path(environment["XDG_RUNTIME_DIR"]) / "synthseg"
    for name in ("1.nii.gz", "2.nii.gz"):
        words = ("--i", scan, "--o", tmp_path / name, *SMALL, "--keep-server", 0.2)
        call = _start(environment, *words)
        told = call.communicate(timeout=600)
        assert call.returncode == 0, told
        (number,) = folder.glob("*.pid")
        pids.add(int(number.read_text()))
    assert (tmp_path / "1.nii.gz").read_bytes() == (tmp_path / "2.nii.gz").read_bytes()
    (pid,) = pids
    end = time.monotonic() + 120
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.2)
    assert not Path(f"/proc/{pid}").exists()
    assert not list(folder.glob("*.sock"))

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from loading import load_nifti
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.session import Session
from two_readers import origin_by_itk


def test_a_name_as_long_as_the_file_system_takes_can_be_written(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    name = "x" * (255 - len("_synthseg.nii"))
    (scans / "s1.nii").rename(scans / f"{name}.nii")
    plan = plan_batch([str(scans / f"{name}.nii")], tmp_path / "out")
    (outcome,) = run_batch(session, plan, BatchSettings(sidecar=False))
    assert outcome.status == "done", outcome.error


def test_a_folder_that_cannot_be_synced_takes_results(
    address: str, scans: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    with tempfile.TemporaryDirectory() as name, Session(address) as session:
        Path(name).chmod(0o755)
        out = Path(name) / "out"
        out.mkdir()
        out.chmod(0o333)  # may be written, not opened
        scan = shutil.copy(scans / "s1.nii", name)
        Path(scan).chmod(0o644)
        plan = plan_batch([scan], out / "l.nii")
        with as_nobody():
            (outcome,) = run_batch(session, plan, BatchSettings())
        assert outcome.status == "done", outcome.error


def test_a_sidecar_is_known_as_ones_own(session: Session, scans: Path, tmp_path: Path) -> None:
    for _ in range(2):
        plan = plan_batch([str(scans / "s0.nii.gz")], scans / "labels.nii.gz")
        assert [o.status for o in run_batch(session, plan, BatchSettings())] == ["done"]


@pytest.mark.parametrize("name", ["L.NII.GZ", "L.MGZ", "L.NPZ"])
def test_a_result_may_be_named_in_capitals(
    session: Session, scans: Path, tmp_path: Path, name: str
) -> None:
    plan = plan_batch([str(scans / "s0.nii.gz")], tmp_path / "out" / name)
    (outcome,) = run_batch(session, plan, BatchSettings())
    assert outcome.status == "done", outcome.error
    assert {p.name for p in (tmp_path / "out").iterdir()} == {name, "L.json"}


@pytest.mark.parametrize("before", [[], ["x.json", "x.nii"]], ids=["nothing", "earlier results"])
def test_a_full_disk_fails_the_scan_and_leaves_what_was_there(
    session: Session, scans: Path, tmp_path: Path, before: list[str]
) -> None:
    """A limit on file sizes stands for the disk: the write fails in the middle all the same."""
    code = f"""
import resource, signal, sys
from synthseg_client.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
main(["segment", "--i", {str(scans / "s1.nii")!r}, "--o", {str(tmp_path / "full/x.nii")!r},
      "--server", {session.address.target!r}])
"""
    (tmp_path / "full").mkdir()
    for name in before:
        (tmp_path / "full" / name).write_text("as it was")
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert "cannot be written" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    found = {path.name: path.read_text() for path in (tmp_path / "full").iterdir()}
    assert found == dict.fromkeys(before, "as it was")


def test_a_result_that_is_wrong_on_disk_leaves_the_earlier_one(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    # So far out that 32 bits of the header cannot hold the place of the resampled grid.
    far = np.array([[-1.0, 0, 0, 2**24], [0, 0, -2, 2**24], [0, -1, 0, 2**24], [0, 0, 0, 1]])
    scan = save_scan(tmp_path / "scan.nii", affine=far)
    results = [tmp_path / name for name in ("labels.nii", "labels.json")]
    results[0].write_text("as it was")
    plan = plan_batch([str(scan)], results[0], beside=(".json",))
    (outcome,) = run_batch(session, plan, BatchSettings())
    assert outcome.status == "failed"
    assert "was written with another grid" in outcome.error
    assert results[0].read_text() == "as it was"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.nii", "scan.nii"]


def test_posteriors_and_resampled_scans_lie_over_the_scan_for_itk_too(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "scan.nii")
    plan = plan_batch(
        [str(scan)],
        tmp_path / "labels.nii",
        posteriors=tmp_path / "post.nii",
        resampled=tmp_path / "resampled.nii",
    )
    (outcome,) = run_batch(session, plan, BatchSettings())
    assert outcome.status == "done"
    corners = {
        name: origin_by_itk(tmp_path / f"{name}.nii")[:3]
        for name in ("labels", "post", "resampled")
    }
    # The first voxel of 1 mm lies half a voxel of each size from the scan's.
    expected = load_nifti(scan).affine @ [0, 0, -0.25, 1]
    for origin in corners.values():
        np.testing.assert_allclose(np.array(origin) * [-1, -1, 1], expected[:3], atol=1e-4)

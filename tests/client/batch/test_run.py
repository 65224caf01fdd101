from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import contract_server
import nibabel as nib
import numpy as np
import pytest
from contract_server import ContractServer, serving
from loading import load_nifti
from synthseg_client.answers.cleanup import clean_up
from synthseg_client.answers.evidence import Evidence
from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.session import Session
from synthseg_client.errors import OutputError
from synthseg_client.geometry.grids import Prepared, prepare
from synthseg_client.inputs.scans import Scan
from synthseg_client.model import Model
from synthseg_client.options import Options
from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from two_readers import origin_by_itk, place_of

JOURNAL = "journal.jsonl"


@pytest.fixture
def scans(tmp_path: Path, save_scan: Callable[..., Path]) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for index, suffix in enumerate((".nii.gz", ".nii", ".mgz", ".npz")):
        save_scan(folder / f"s{index}{suffix}", seed=index)
    return folder


def _run(
    session: Session,
    scans: Path,
    tmp_path: Path,
    options: Options | None = None,
    *,
    jobs: int = 2,
    resume: bool = False,
) -> list[Outcome]:
    plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
    chosen = BatchSettings(
        options=options or Options(), journal=tmp_path / JOURNAL, jobs=jobs, resume=resume
    )
    return list(run_batch(session, plan, chosen))


def _rows(path: Path) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in csv.reader(path.read_text().splitlines())}


def test_every_scan_gets_labels_a_row_and_a_sidecar(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    outcomes = _run(session, scans, tmp_path)
    assert [o.status for o in outcomes] == ["done"] * 4
    names = {"s0_synthseg.nii.gz", "s1_synthseg.nii", "s2_synthseg.mgz", "s3_synthseg.npz"}
    assert {p.name for p in (tmp_path / "out").iterdir() if p.suffix != ".json"} == names
    assert list(_rows(tmp_path / "vol.csv")) == ["subject", "s0", "s1.nii", "s2.mgz", "s3.npz"]
    sidecar = json.loads((tmp_path / "out/s0_synthseg.json").read_text())
    assert sidecar["model"]["served_version"] == 1
    assert sidecar["options"]["fast"] is False
    assert len(sidecar["scan"]["sha256"]) == 64


def test_one_bad_scan_does_not_stop_the_others(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    (scans / "s0.nii.gz").write_text("no scan")
    (scans / "empty.nii").touch()
    outcomes = {o.task.scan.name: o for o in _run(session, scans, tmp_path)}
    assert outcomes["s0.nii.gz"].status == outcomes["empty.nii"].status == "failed"
    assert str(scans / "s0.nii.gz") in outcomes["s0.nii.gz"].error
    assert sum(o.status == "done" for o in outcomes.values()) == 3
    assert list(_rows(tmp_path / "vol.csv")) == ["subject", "s1.nii", "s2.mgz", "s3.npz"]
    assert not (tmp_path / "out/s0_synthseg.nii.gz").exists()


def test_a_second_run_skips_what_is_done_and_rebuilds_the_table(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    _run(session, scans, tmp_path)
    table = (tmp_path / "vol.csv").read_text()
    (tmp_path / "vol.csv").unlink()
    model.requests.clear()
    outcomes = _run(session, scans, tmp_path, resume=True)
    assert {o.status for o in outcomes} == {"skipped"}
    assert not model.requests
    assert (tmp_path / "vol.csv").read_text() == table


def test_without_resume_everything_is_done_again(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    _run(session, scans, tmp_path)
    assert {o.status for o in _run(session, scans, tmp_path)} == {"done"}
    assert len(model.requests) == 8


@pytest.mark.parametrize("change", ["scan", "labels", "sidecar", "options", "model"])
def test_resuming_does_again_what_is_no_longer_true(
    session: Session,
    model: ContractServer,
    scans: Path,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    change: str,
) -> None:
    _run(session, scans, tmp_path)
    changed = 1
    options = Options()
    if change == "scan":
        save_scan(scans / "s0.nii.gz", seed=99)
    elif change == "labels":
        path = tmp_path / "out/s0_synthseg.nii.gz"
        path.write_bytes(path.read_bytes()[:-10])
    elif change == "sidecar":
        (tmp_path / "out/s0_synthseg.json").unlink()
    elif change == "options":
        options, changed = Options(fast=True), 4
    else:
        model.version, changed = 2, 4
        session.describe(refresh=True)
    outcomes = _run(session, scans, tmp_path, options, resume=True)
    assert sum(o.status == "done" for o in outcomes) == changed
    assert sum(o.status == "skipped" for o in outcomes) == 4 - changed


def test_a_torn_journal_line_costs_that_scan_only(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    _run(session, scans, tmp_path, jobs=1)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-30])
    statuses = [o.status for o in _run(session, scans, tmp_path, resume=True)]
    assert sorted(statuses) == ["done", "skipped", "skipped", "skipped"]
    assert {o.status for o in _run(session, scans, tmp_path, resume=True)} == {"skipped"}


def test_labels_lie_in_the_scans_own_orientation(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    _run(session, scans, tmp_path)
    labels = load_nifti(tmp_path / "out/s0_synthseg.nii.gz")
    scan = load_nifti(scans / "s0.nii.gz")
    assert nib.aff2axcodes(labels.affine) == nib.aff2axcodes(scan.affine)
    assert labels.shape == (30, 64, 20) or labels.shape == (30, 32, 40)
    # The brightest box is label 41 at the same place in the world.
    where = np.argwhere(np.asanyarray(labels.dataobj) == 41).mean(axis=0)
    bright = np.argwhere(scan.get_fdata() > 90).mean(axis=0)
    np.testing.assert_allclose(
        place_of(tmp_path / "out/s0_synthseg.nii.gz", where),
        place_of(scans / "s0.nii.gz", bright),
        atol=0.5,
    )


def test_keeping_geometry_gives_the_scans_own_grid(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    _run(session, scans, tmp_path, Options(keep_geometry=True))
    labels, scan = load_nifti(tmp_path / "out/s0_synthseg.nii.gz"), load_nifti(scans / "s0.nii.gz")
    assert labels.shape == scan.shape
    np.testing.assert_allclose(labels.affine, scan.affine, atol=1e-6)
    for corner in ((0, 0, 0), (29, 31, 19)):
        np.testing.assert_allclose(
            place_of(tmp_path / "out/s0_synthseg.nii.gz", corner),
            place_of(scans / "s0.nii.gz", corner),
            atol=1e-4,
        )
    bright = scan.get_fdata() > 90
    found = np.asanyarray(labels.dataobj) == 41
    assert (found & bright).sum() / (found | bright).sum() > 0.7


def test_an_answer_of_the_wrong_shape_fails_the_scan_alone(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    def tamper(outputs: dict[str, AnyArray]) -> dict[str, AnyArray]:
        model.tamper = None
        return {**outputs, contract.FOREGROUND: outputs[contract.FOREGROUND][:-1]}

    model.tamper = tamper
    outcomes = _run(session, scans, tmp_path)
    (failed,) = (o for o in outcomes if o.status == "failed")
    assert "does not fit" in failed.error
    assert not failed.task.labels.exists()


def test_a_result_without_any_structure_is_no_result(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    model.tamper = lambda outputs: {
        **outputs,
        contract.FOREGROUND: np.zeros_like(outputs[contract.FOREGROUND]),
        contract.POSTERIORS: outputs[contract.POSTERIORS][:0],
    }
    outcomes = _run(session, scans, tmp_path)
    assert all("nothing was found" in o.error for o in outcomes)


def test_the_server_never_waits_for_the_client(
    model: ContractServer,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it has a scan, the next one is prepared; while one is cleaned up, it has the next."""
    from synthseg_client.calls.session import Session
    from synthseg_client.segmentation import one_scan

    folder, scans = tmp_path / "many", 8
    folder.mkdir()
    for index in range(scans):
        save_scan(folder / f"s{index}.nii.gz", (60, 60, 60), np.diag([1.0, 1, 1, 1]), seed=index)
    course = _Course()
    waited: list[bool] = []

    def prepare_noted(scan: Scan, target_mm: float) -> Prepared:
        prepared = prepare(scan, target_mm)
        course.note("prepared")
        return prepared

    def answer(outputs: dict[str, AnyArray]) -> dict[str, AnyArray]:
        number = course.note("asked")
        waited.append(course.reaches("prepared", min(number + 1, scans)))
        return outputs

    def clean_up_noted(evidence: Evidence, model: Model, *, fast: bool) -> CleanPosteriors:
        number = course.note("answered")
        waited.append(course.reaches("asked", min(number + 1, scans)))
        return clean_up(evidence, model, fast=fast)

    monkeypatch.setattr(one_scan, "prepare", prepare_noted)
    monkeypatch.setattr(one_scan, "clean_up", clean_up_noted)
    model.tamper = answer
    with serving(model) as address, Session(address) as session:
        plan = plan_batch([str(folder)], tmp_path / "out")
        outcomes = list(run_batch(session, plan, BatchSettings(jobs=3)))
    assert [o.status for o in outcomes] == ["done"] * scans
    assert waited == [True] * 2 * scans
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(sorted(model.busy)))


class _Course:
    """Counts what happens in several threads, and waits for it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()

    def note(self, what: str) -> int:
        with self._changed:
            self._counts[what] += 1
            self._changed.notify_all()
            return self._counts[what]

    def reaches(self, what: str, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._counts[what] >= count, timeout=60)


def test_a_kill_loses_at_most_the_scans_in_flight(
    tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(8):
        save_scan(folder / f"s{index}.nii.gz", seed=index)
    server = ContractServer()

    def answer(outputs: dict[str, AnyArray]) -> dict[str, AnyArray]:
        # The fifth scan stays at the server: of the four before it, one may still be in work.
        server.delay_s = 600 if len(server.requests) == 4 else 0
        return outputs

    server.tamper = answer
    with serving(server) as address:
        command = [sys.executable, "-m", "synthseg_client", "segment", "--i", str(folder)]
        command += ["--o", str(tmp_path / "out"), "--vol", str(tmp_path / "vol.csv")]
        command += ["--server", address]
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(server.requests) < 5:
            assert child.poll() is None
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        written = {p.name for p in (tmp_path / "out").glob("[!.]*.nii.gz")}
        assert len(written) >= 3
        for name in written:
            load_nifti(tmp_path / "out" / name).get_fdata()
        server.requests.clear()
        server.delay_s, server.tamper = 0, None
        again = subprocess.run([*command, "--resume"], check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already done") >= len(written) - 1
    assert len(server.requests) <= 8 - len(written) + 1
    assert len(_rows(tmp_path / "vol.csv")) == 9


def test_a_server_that_dies_in_the_middle_fails_the_rest_and_resuming_finishes(
    tmp_path: Path, scans: Path
) -> None:
    from synthseg_client.calls.retry import RetryPolicy
    from synthseg_client.calls.session import Session

    server = ContractServer()
    impatient = RetryPolicy(attempts=2, first_wait_s=0.01, server_wait_s=0)
    with serving(server) as address:
        session = Session(address, retry=impatient)
        plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
        settings = BatchSettings(journal=tmp_path / JOURNAL, jobs=1)
        outcomes = run_batch(session, plan, settings)
        statuses = [next(outcomes).status]
    statuses += [o.status for o in outcomes]
    assert statuses[0] == "done"
    assert statuses[-1] == "failed"
    with serving(ContractServer()) as address, Session(address, retry=impatient) as session:
        rest = [o.status for o in _run(session, scans, tmp_path, resume=True)]
    assert rest.count("skipped") == statuses.count("done")
    assert len(_rows(tmp_path / "vol.csv")) == 5


def test_labels_that_change_their_meaning_in_the_middle_fail_the_rest(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
    outcomes = run_batch(session, plan, BatchSettings(jobs=1))
    assert next(outcomes).status == "done"
    model.version, model.names = 2, (*contract_server.NAMES[:-1], "renamed")
    rest = list(outcomes)
    assert [o.status for o in rest] == ["failed"] * 3
    assert "from synthseg:1 to synthseg:2, whose label table is another" in rest[0].error
    assert list(_rows(tmp_path / "vol.csv")) == ["subject", "s0"]
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_version_of_another_voxel_size_gets_its_scans_prepared_anew(
    session: Session, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    session.describe()
    model.version, model.info = 2, {"voxel_size_mm": 2.0}
    outcomes = _run(session, scans, tmp_path)
    assert {o.status for o in outcomes} == {"done"}
    labels = load_nifti(tmp_path / "out/s0_synthseg.nii.gz")
    np.testing.assert_allclose(labels.header.get_zooms(), 2)


def test_a_name_that_is_no_utf_8_keeps_its_row_and_its_bytes(
    session: Session, scans: Path, tmp_path: Path
) -> None:
    (scans / "s0.nii.gz").rename(scans / os.fsdecode(b"caf\xe9.nii.gz"))
    assert {o.status for o in _run(session, scans, tmp_path)} == {"done"}
    assert b"\ncaf\xe9," in (tmp_path / "vol.csv").read_bytes()


def test_a_pair_of_files_is_done_again_when_either_changes(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = load_nifti(save_scan(tmp_path / "s.nii"))
    nib.save(nib.Nifti1Pair(scan.get_fdata(dtype=np.float32), scan.affine), tmp_path / "p.IMG")
    for named in ("p.IMG", "p.HDR"):
        assert [o.status for o in _run(session, tmp_path / named, tmp_path)] == ["done"]
        (known,) = _run(session, tmp_path / named, tmp_path, resume=True)
        assert known.status == "skipped"
        for changed in ("p.IMG", "p.HDR"):
            stored = bytearray((tmp_path / changed).read_bytes())
            stored[-1 if changed == "p.IMG" else 150] ^= 1  # in the description
            (tmp_path / changed).write_bytes(stored)
            (again,) = _run(session, tmp_path / named, tmp_path, resume=True)
            assert again.status == "done", again.error


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


def test_a_table_that_cannot_be_written_is_told_when_all_scans_are_through(
    session: Session, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_client.batch.table._TABLE_EVERY_S", 0)
    plan = plan_batch([str(scans)], tmp_path / "out", volumes=tmp_path / "vol.csv")
    (tmp_path / "vol.csv").mkdir()
    outcomes = run_batch(session, plan, BatchSettings())
    assert [next(outcomes).status for _ in plan.tasks] == ["done"] * 4
    with pytest.raises(OutputError, match=r"vol\.csv: cannot be written"):
        next(outcomes)


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

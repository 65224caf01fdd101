from __future__ import annotations

from pathlib import Path

from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.tasks import ScanTask
from synthseg_client.report.leftovers import find_run
from synthseg_client.report.outcomes import run_of


def test_a_run_that_ends_and_its_leftovers_tell_the_same(out: Path) -> None:
    later = find_run(out)
    outcomes = [
        Outcome(
            ScanTask(record.scan or Path(), record.labels),
            "done",
            volumes=dict(record.volumes),
            quality=dict(record.quality),
        )
        for record in later.records
    ]
    broken = ScanTask(out.parent / "scans/broken.nii.gz", out / "broken_synthseg.nii.gz")
    outcomes.append(Outcome(broken, "failed", error=f"{broken.scan}: broken or cut off."))
    assert run_of(reversed(outcomes)) == later


def test_without_a_sidecar_the_outcome_tells_model_and_warnings(tmp_path: Path) -> None:
    task = ScanTask(tmp_path / "x.nii", tmp_path / "l.nii", prefix="anna_")
    outcome = Outcome(task, "done", model="net:3", warnings=("odd",), seconds={"read": 2.0})
    (record,) = run_of([outcome]).records
    assert record.name == "anna_x"
    assert record.sidecar["model"] == {"served_name": "net", "served_version": "3"}
    assert (record.warnings, record.seconds) == (("odd",), 2.0)


def test_scans_for_which_no_server_was_left_are_told_as_such(tmp_path: Path) -> None:
    task = ScanTask(tmp_path / "x.nii", tmp_path / "x_synthseg.nii")
    (failure,) = run_of([Outcome(task, "failed", error="gone", left=True)]).failures
    assert failure.left

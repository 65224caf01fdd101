from __future__ import annotations

import json
from pathlib import Path

from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.tasks import ScanTask

TASK = ScanTask(Path("s.nii"), Path("l.nii"))


def test_a_line_holds_what_is_known_and_nothing_else() -> None:
    record = json.loads(Outcome(TASK, "done", model="synthseg:1", volumes={"csf": 2.0}).to_json())
    assert record == {
        "scan": "s.nii",
        "status": "done",
        "labels": "l.nii",
        "model": "synthseg:1",
        "volumes_mm3": {"csf": 2.0},
    }


def test_a_failure_says_why_and_whether_the_scan_was_tried() -> None:
    record = json.loads(Outcome(TASK, "failed", error="no server", left=True).to_json())
    assert (record["error"], record["left"]) == ("no server", True)
    assert "model" not in record

from __future__ import annotations

import json
from pathlib import Path

from synthseg_client.bids.scan_tables import read_rows


def _write_results(out: Path, scan: str, volumes: str = "name\tvalue\nbrain\t3.5\n") -> None:
    """What the participant level leaves of a scan, as far as tables go."""
    start = out / scan.replace("_T1w.nii.gz", "_space-orig_seg-synthseg")
    start.parent.mkdir(parents=True, exist_ok=True)
    start.with_name(f"{start.name}_volumes.tsv").write_text(volumes)
    sidecar = start.with_name(f"{start.name}_dseg.json")
    sidecar.write_text(json.dumps({"Sources": [f"bids:raw:{scan}"]}))


def test_rows_say_of_whom_and_what_they_are(tmp_path: Path) -> None:
    _write_results(tmp_path, "sub-02/anat/sub-02_T1w.nii.gz")
    _write_results(tmp_path, "sub-01/ses-a/anat/sub-01_ses-a_run-1_T1w.nii.gz")
    rows, problems = read_rows(tmp_path, "volumes", lambda _: True)
    assert problems == []
    assert [(row.subject, row.session, row.kind) for row in rows] == [
        ("sub-01", "ses-a", "ses-a_run-1_T1w"),
        ("sub-02", None, "T1w"),
    ]
    assert rows[0].numbers == {"brain": "3.5"}


def test_broken_tables_are_told_and_the_others_read(tmp_path: Path) -> None:
    _write_results(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", "name\tvalue\nbrain\tmuch\n")
    _write_results(tmp_path, "sub-02/anat/sub-02_T1w.nii.gz", "")
    _write_results(tmp_path, "sub-03/anat/sub-03_T1w.nii.gz")
    _write_results(tmp_path, "sub-04/anat/sub-04_T1w.nii.gz")
    for sidecar in tmp_path.glob("sub-04/anat/*.json"):
        sidecar.unlink()
    rows, problems = read_rows(tmp_path, "volumes", lambda _: True)
    assert [row.subject for row in rows] == ["sub-03"]
    assert len(problems) == 3


def test_scans_that_are_not_wanted_are_left_out(tmp_path: Path) -> None:
    _write_results(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    assert read_rows(tmp_path, "volumes", lambda name: name.suffix == "T2w") == ([], [])

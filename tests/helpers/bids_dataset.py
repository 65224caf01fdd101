"""A BIDS dataset with what goes wrong in real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

SaveScan = Callable[..., Path]
WHOLE = (
    "sub-01/ses-a/anat/sub-01_ses-a_acq-mprage_run-1_T1w.nii.gz",
    "sub-01/ses-a/anat/sub-01_ses-a_acq-mprage_run-2_T1w.nii.gz",
    "sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz",
    "sub-01/ses-b/anat/sub-01_ses-b_FLAIR.nii",
    "sub-02/anat/sub-02_T1w.nii.gz",
    "sub-02/anat/sub-02_T2w.nii.gz",
)
"""Scans that can be segmented."""
ANNEXED = "sub-03/anat/sub-03_T1w.nii.gz"
BROKEN = "sub-04/anat/sub-04_T1w.nii.gz"
MISSING = "sub-05/anat/sub-05_T1w.nii.gz"
TOLD_MISSING = "sub-05/anat/sub-05_T2w.nii.gz"
FAILING = (ANNEXED, BROKEN, MISSING, TOLD_MISSING)
_OTHERS = (
    "derivatives/.old/sub-01/anat/sub-01_T1w.nii.gz",
    "derivatives/other/sub-01/anat/sub-01_T1w.nii.gz",
    "sourcedata/sub-01/anat/sub-01_T1w.nii.gz",
    ".hidden/sub-07/anat/sub-07_T1w.nii.gz",
    "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz",
    "sub-01/ses-a/anat/sub-01_ses-a_T1map.nii.gz",
)


def make_dataset(root: Path, save_scan: SaveScan) -> Path:
    """Sessions, runs, several contrasts, a missing file, an annex pointer and a broken header."""
    for index, name in enumerate((*WHOLE, *_OTHERS)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        save_scan(root / name, seed=index)
    for name in FAILING:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / ANNEXED).symlink_to("../../.git/annex/objects/x1/y2/MD5E-s1--0.nii.gz")
    (root / BROKEN).write_bytes(b"\x1f\x8b" + bytes(400))
    (root / MISSING.replace(".nii.gz", ".json")).write_text("{}")
    _write_tables(root)
    return root


def _write_tables(root: Path) -> None:
    (root / "dataset_description.json").write_text(
        json.dumps({"Name": "Odd", "BIDSVersion": "1.10.0", "DatasetDOI": "doi:10.0.2.3/odd"})
    )
    rows = [f"sub-0{number}\t{20 + number}" for number in (1, 2, 3, 4, 5, 6)]
    (root / "participants.tsv").write_text("\n".join(["participant_id\tage", *rows, ""]))
    (root / "participants.json").write_text(json.dumps({"age": {"Description": "Age"}}))
    # Says less and more than the folders do.
    (root / "sub-01/sub-01_sessions.tsv").write_text("session_id\tacq_time\nses-c\tn/a\n")
    (root / "sub-05/sub-05_scans.tsv").write_text("filename\nanat/sub-05_T2w.nii.gz\n")

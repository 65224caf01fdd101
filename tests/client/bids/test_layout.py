from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.bids.layout import Derivatives, plan_dataset
from synthseg_client.bids.names import parse_name
from synthseg_client.bids.walk import FoundScan, Problem, Walked
from synthseg_client.errors import UsageError
from typed import there


def _plan(
    names: Sequence[str], made: Derivatives | None = None, problems: Sequence[str] = ()
) -> BatchPlan:
    root = Path("ds")
    scans = [FoundScan(root / name, there(parse_name(Path(name).name))) for name in names]
    told = [Problem(root / name, "is missing") for name in problems]
    walked = Walked(scans=scans, problems=told)
    return plan_dataset(root, Path("out"), walked, made or Derivatives(), (".json", ".tsv"))


def test_every_derivative_of_a_scan_has_its_name() -> None:
    made = Derivatives(probabilities=True, resampled=True, quality=True)
    (task,) = _plan(["sub-01/ses-a/anat/sub-01_ses-a_run-1_T2w.nii"], made).tasks
    start, folder = "sub-01_ses-a_run-1_space-orig_", Path("out/sub-01/ses-a/anat")
    assert {path.relative_to(folder).as_posix() for path in task.outputs()} == {
        f"{start}seg-synthseg_desc-T2w_dseg.nii.gz",
        f"{start}seg-synthseg_res-1mm_desc-T2w_dseg.nii.gz",
        f"{start}seg-synthseg_desc-T2w_probseg.nii.gz",
        f"{start}seg-synthseg_desc-T2w_volumes.tsv",
        f"{start}seg-synthseg_desc-T2w_quality.tsv",
        f"{start}res-1mm_T2w.nii.gz",
    }


def test_contrasts_of_one_session_do_not_meet() -> None:
    names = [f"sub-01/anat/sub-01_{suffix}.nii.gz" for suffix in ("T1w", "T2w", "FLAIR")]
    plan = _plan(names)
    assert len(plan.tasks) == 3
    assert plan.refused == ()
    assert plan.tasks[0].labels.name == "sub-01_space-orig_seg-synthseg_dseg.nii.gz"


def test_two_files_of_one_name_are_refused_and_others_done() -> None:
    names = [f"sub-01/anat/sub-01_T1w{ending}" for ending in (".nii", ".nii.gz")]
    plan = _plan([*names, "sub-02/anat/sub-02_T1w.nii"])
    assert [task.scan.name for task in plan.tasks] == ["sub-02_T1w.nii"]
    assert len(plan.refused) == 2


def test_what_is_missing_counts_as_failed() -> None:
    (refusal,) = _plan([], problems=["sub-01/anat/sub-01_T1w.nii.gz"]).refused
    assert refusal.reason == "ds/sub-01/anat/sub-01_T1w.nii.gz: is missing."


def test_a_dataset_without_scans_is_refused() -> None:
    with pytest.raises(UsageError, match="no scan was found"):
        _plan([])

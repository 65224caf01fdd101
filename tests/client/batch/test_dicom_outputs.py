from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import Made, write_series
from synthseg_client.batch.dicom_outputs import with_dicom_outputs
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.dicom.sources import with_series
from synthseg_client.errors import UsageError


@pytest.fixture
def one(tmp_path: Path) -> BatchPlan:
    write_series(tmp_path / "a")
    return plan_batch(with_series([str(tmp_path / "a")]), tmp_path / "l.nii.gz")


@pytest.fixture
def several(tmp_path: Path) -> BatchPlan:
    for name in ("x/scan", "y/scan", "z/few"):
        write_series(tmp_path / name, Made(shape=(40, 36, 3)) if name == "z/few" else None)
    words = [str(tmp_path / name) for name in ("x/scan", "y/scan", "z/few")]
    return plan_batch(with_series(words), tmp_path / "out")


def test_nothing_is_added_that_was_not_asked_for(one: BatchPlan) -> None:
    assert with_dicom_outputs(one, None, None) is one


def test_one_scan_has_files_of_any_name(one: BatchPlan, tmp_path: Path) -> None:
    plan = with_dicom_outputs(one, tmp_path / "s.dcm", tmp_path / "r.DCM")
    assert plan.tasks[0].dicom_seg == tmp_path / "s.dcm"
    assert plan.tasks[0].dicom_sr == tmp_path / "r.DCM"
    assert {tmp_path / "s.dcm", tmp_path / "r.DCM"} <= set(plan.tasks[0].outputs())


def test_several_scans_have_files_in_a_folder(several: BatchPlan, tmp_path: Path) -> None:
    plan = with_dicom_outputs(several, tmp_path / "d", f"{tmp_path}/d/")
    assert [task.dicom_seg for task in plan.tasks] == [
        *(tmp_path / "d" / "x_scan_seg.dcm", tmp_path / "d" / "y_scan_seg.dcm")
    ]
    assert plan.tasks[0].dicom_sr == tmp_path / "d" / "x_scan_sr.dcm"
    (refused,) = plan.refused
    assert "has 3 slices" in refused.reason


def test_several_scans_want_a_folder(several: BatchPlan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--dicom-seg .*several scans need a folder"):
        with_dicom_outputs(several, tmp_path / "s.dcm", None)


def test_a_report_needs_the_segmentation(one: BatchPlan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--dicom-sr: .*give --dicom-seg too"):
        with_dicom_outputs(one, None, tmp_path / "r.dcm")


def test_other_scans_have_none(tmp_path: Path) -> None:
    (tmp_path / "s.nii.gz").touch()
    plan = plan_batch([str(tmp_path / "s.nii.gz")], tmp_path / "l.nii.gz")
    with pytest.raises(UsageError, match=r"s\.nii\.gz: is not DICOM, which --dicom-seg"):
        with_dicom_outputs(plan, tmp_path / "s.dcm", None)


def test_names_that_cannot_be_are_refused(one: BatchPlan, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, why in ((".dcm", "an ending alone"), ("file", "exists"), ("s.nii", "not written as")):
        with pytest.raises(UsageError, match=why):
            with_dicom_outputs(one, tmp_path / name, None)
    with pytest.raises(UsageError, match="would hold two of its results"):
        with_dicom_outputs(one, tmp_path / "s.dcm", tmp_path / "s.dcm")

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from synthseg_client.dicom.origin import Origin
from synthseg_client.dicom.results import write_dicom
from synthseg_client.errors import OutputError
from synthseg_common.files import FileGroup

# What `validate_iods` downloads when it is first run.
STANDARD = Path.home() / "dicom-validator" / "editions.json"


def test_the_report_refers_to_the_segmentation_beside_it(
    segmented: Callable[..., Origin], tmp_path: Path
) -> None:
    origin = segmented()
    paths = (tmp_path / "s.dcm", tmp_path / "r.dcm")
    write_dicom(origin.series, origin.result, paths)
    seg, report = map(dcmread, paths)
    assert seg.SOPInstanceUID in str(report)
    assert (seg.Modality, report.Modality) == ("SEG", "SR")
    assert (seg.SeriesNumber, report.SeriesNumber) == (401, 402)


def test_both_are_written_or_none(segmented: Callable[..., Origin], tmp_path: Path) -> None:
    origin = segmented()
    (tmp_path / "file").touch()
    paths = (tmp_path / "s.dcm", tmp_path / "file" / "r.dcm")

    def write_both() -> None:
        with FileGroup() as group:
            write_dicom(origin.series, origin.result, paths, group)

    with pytest.raises(OutputError):
        write_both()
    assert {path.name for path in tmp_path.iterdir()} == {"file", "source"}


def test_without_a_report_there_is_the_segmentation_alone(
    segmented: Callable[..., Origin], tmp_path: Path
) -> None:
    origin = segmented()
    write_dicom(origin.series, origin.result, (tmp_path / "s.dcm", None))
    assert {path.name for path in tmp_path.iterdir()} == {"s.dcm", "source"}


@pytest.mark.skipif(not STANDARD.exists(), reason="dicom-validator has no copy of the standard")
def test_dicom_validator_finds_nothing(segmented: Callable[..., Origin], tmp_path: Path) -> None:
    origin = segmented()
    paths = (tmp_path / "s.dcm", tmp_path / "r.dcm")
    write_dicom(origin.series, origin.result, paths)
    words = ["validate_iods", "--edition", "local", *map(str, paths)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

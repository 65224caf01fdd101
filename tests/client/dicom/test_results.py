from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from synthseg_client.dicom.origin import Origin
from synthseg_client.dicom.results import write_dicom
from synthseg_client.errors import OutputError
from synthseg_common.files import FileGroup


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

"""The DICOM files that come of one segmented series."""

from __future__ import annotations

from pathlib import Path

from synthseg_common.files import FileGroup

from synthseg_client.dicom.origin import Origin
from synthseg_client.dicom.seg import make_segmentation, write_segmentation
from synthseg_client.dicom.series import DicomSeries
from synthseg_client.dicom.sr import make_report, write_report
from synthseg_client.segmentation.result import Segmentation


def write_dicom(
    series: DicomSeries,
    result: Segmentation,
    paths: tuple[Path, Path | None],
    group: FileGroup | None = None,
) -> None:
    """Writes a DICOM Segmentation, and a report of volumes that refers to it.

    Args:
        series: What was segmented.
        result: What came of it.
        paths: Of the segmentation and of the report; None writes no report.
        group: Files that take their places together.

    Raises:
        OutputError: A file cannot be written, or the series does not say where it lies.
        ResultError: What was written is not what it should be.
    """
    origin = Origin(series, result)
    made = make_segmentation(origin)
    write_segmentation(paths[0], made, group)
    if paths[1] is not None:
        write_report(paths[1], make_report(origin, made), group)

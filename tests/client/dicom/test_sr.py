from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import highdicom
import pytest
from dicom_files import (
    Made,
    write_magnitude_and_phase,
    write_multi_frame,
    write_series,
    write_single_frames,
)
from pydicom import dcmread
from synthseg_client.dicom.origin import Origin
from synthseg_client.dicom.seg import make_segmentation
from synthseg_client.dicom.sr import make_report, write_report

WRITERS = (write_series, write_multi_frame, write_single_frames, write_magnitude_and_phase)
DCIODVFY = os.environ.get("DCIODVFY") or shutil.which("dciodvfy")


def written(origin: Origin, path: Path) -> Path:
    write_report(path, make_report(origin, make_segmentation(origin)))
    return path


def test_every_structure_has_its_volume(segmented: Callable[..., Origin], tmp_path: Path) -> None:
    origin = segmented()
    report = highdicom.sr.srread(written(origin, tmp_path / "r.dcm"))
    content = report.content
    assert isinstance(content, highdicom.sr.MeasurementReport)
    groups = content.get_volumetric_roi_measurement_groups()
    found = {
        group.tracking_identifier: float(group.get_measurements()[0].value) for group in groups
    }
    names = origin.result.label_table.names[1:]
    assert found == {name: pytest.approx(origin.result.volumes[name]) for name in names}
    segments = [group.referenced_segment for group in groups]
    assert [one and one.referenced_segment_numbers for one in segments] == [[1], [2], [3]]
    (unit,) = {group.get_measurements()[0].unit.value for group in groups}
    assert unit == "mm3"


def test_it_refers_to_segmentation_and_series_and_is_of_the_same_patient(
    segmented: Callable[..., Origin], tmp_path: Path
) -> None:
    origin = segmented(Made(modality="CT"))
    segmentation = make_segmentation(origin)
    write_report(tmp_path / "r.dcm", make_report(origin, segmentation))
    data = dcmread(tmp_path / "r.dcm")
    assert data.PatientID == "SECRET-77"
    assert data.StudyInstanceUID == origin.sources[0].StudyInstanceUID
    evidence = data.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    referred = {item.SeriesInstanceUID for item in evidence}
    assert referred == {segmentation.SeriesInstanceUID, origin.series.stack.header.series}
    assert "CT Head" in str(data)


@pytest.mark.skipif(shutil.which("tid1500reader") is None, reason="dcmqi is not installed")
def test_dcmqi_reads_the_volumes(segmented: Callable[..., Origin], tmp_path: Path) -> None:
    origin = segmented()
    path, told = written(origin, tmp_path / "r.dcm"), tmp_path / "r.json"
    words = ["tid1500reader", "--inputDICOM", str(path), "--outputMetadata", str(told)]
    subprocess.run(words, check=True, capture_output=True)
    groups = json.loads(told.read_text())["Measurements"]
    found = {
        group["TrackingIdentifier"]: float(group["measurementItems"][0]["value"])
        for group in groups
    }
    assert found["left white matter"] == pytest.approx(origin.result.volumes["left white matter"])
    assert len(found) == 3


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("write", WRITERS)
def test_dciodvfy_finds_nothing(
    segmented: Callable[..., Origin], tmp_path: Path, write: Callable[..., object]
) -> None:
    path = written(segmented(write=write), tmp_path / "r.dcm")
    run = subprocess.run([str(DCIODVFY), str(path)], capture_output=True, text=True, check=False)
    assert run.stderr.split() == ["Comprehensive3DSR"], run.stderr

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pytest
from dicom_files import (
    AXIAL,
    CORONAL,
    PATIENT,
    SAGITTAL,
    Made,
    rewrite,
    write_magnitude_and_phase,
    write_multi_frame,
    write_series,
    write_single_frames,
)
from pydicom import dcmread
from synthseg_client.dicom.geometry import on_slices
from synthseg_client.dicom.origin import Origin
from synthseg_client.dicom.seg import make_segmentation, write_segmentation
from synthseg_client.errors import OutputError
from synthseg_client.options import Options

WRITERS = (write_series, write_multi_frame, write_single_frames, write_magnitude_and_phase)
DCIODVFY = os.environ.get("DCIODVFY") or shutil.which("dciodvfy")


def written(origin: Origin, path: Path) -> Path:
    write_segmentation(path, make_segmentation(origin))
    return path


def expected(origin: Origin) -> np.ndarray:
    """Numbers of segments, `[slice, row, column]`."""
    result, stack = origin.result, origin.series.stack
    labels = on_slices(result.labels_on_scan(), result.scan.affine, stack)
    return np.searchsorted(result.label_table.values, labels)


@pytest.mark.parametrize(
    ("made", "write"),
    [
        (Made(), write_series),
        (Made(orientation=SAGITTAL), write_series),
        (Made(orientation=CORONAL), write_multi_frame),
        (Made(orientation=SAGITTAL), write_magnitude_and_phase),
        (Made(modality="CT", tilt_deg=12), write_series),
        (Made(leave_out=(5,)), write_series),
    ],
)
def test_each_frame_lies_on_its_source_slice(
    segmented: Callable[..., Origin], tmp_path: Path, made: Made, write: Callable[..., object]
) -> None:
    origin = segmented(made, write=write)
    seg = highdicom.seg.segread(written(origin, tmp_path / "s.dcm"))
    stack, truth = origin.series.stack, expected(origin)
    assert seg.NumberOfFrames == 3 * len(stack.frames)
    assert seg.FrameOfReferenceUID == origin.sources[0].FrameOfReferenceUID
    if stack.header.is_multi_frame:
        found = seg.get_pixels_by_source_frame(
            origin.sources[0].SOPInstanceUID,
            [frame.place.number for frame in stack.frames],
            combine_segments=True,
        )
    else:
        uids = [source.SOPInstanceUID for source in origin.sources]
        found = seg.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(found, truth)
    assert set(np.unique(truth)) == {0, 1, 2, 3}
    positions = {
        tuple(frame.PlanePositionSequence[0].ImagePositionPatient)
        for frame in seg.PerFrameFunctionalGroupsSequence
    }
    assert positions == {frame.place.position for frame in stack.frames}


def test_files_of_one_enhanced_slice_each_have_their_place_too(
    segmented: Callable[..., Origin], tmp_path: Path
) -> None:
    origin = segmented(write=write_single_frames)
    seg = highdicom.seg.segread(written(origin, tmp_path / "s.dcm"))
    volume = seg.get_volume(combine_segments=True)
    found = on_slices(
        volume.array.transpose(2, 1, 0).astype(np.int32),
        np.diag([-1.0, -1, 1, 1]) @ volume.affine[:, [2, 1, 0, 3]],
        origin.series.stack,
    )
    np.testing.assert_array_equal(found, expected(origin))


def test_segments_are_coded_and_coloured(segmented: Callable[..., Origin], tmp_path: Path) -> None:
    seg = highdicom.seg.segread(written(segmented(), tmp_path / "s.dcm"))
    first = seg.get_segment_description(1)
    assert first.segment_label == "left white matter"
    assert first.segmented_property_type.value == "68523003"
    side = first.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert side.CodeMeaning == "Left"
    assert first.algorithm_type.value == "AUTOMATIC"
    assert first.algorithm_identification is not None
    assert first.algorithm_identification.name == "SynthSeg"
    assert len(first.RecommendedDisplayCIELabValue) == 3
    assert seg.get_segment_description(2).segmented_property_category.meaning == "Body Substance"


def test_labels_are_those_of_the_scans_own_grid(
    segmented: Callable[..., Origin],
) -> None:
    usual = segmented()
    kept = segmented(options=Options(keep_geometry=True))
    np.testing.assert_array_equal(usual.result.labels_on_scan(), kept.result.labels)
    assert usual.result.labels.shape != kept.result.labels.shape


def test_only_patient_and_study_are_copied(
    segmented: Callable[..., Origin], tmp_path: Path
) -> None:
    others = {"InstitutionName": "St Elsewhere", "OperatorsName": "Op^Era", "StationName": "ST-9"}
    data = dcmread(written(segmented(Made(fields={**others})), tmp_path / "s.dcm"))
    assert {keyword: str(data[keyword].value) for keyword in PATIENT} == PATIENT
    assert data.StudyDate == "20200304"
    assert data.AccessionNumber == "ACC-55"
    content = (tmp_path / "s.dcm").read_bytes()
    words = (*others.values(), "made up for a test")
    assert [word for word in words if word.encode() in content] == []


def test_a_series_without_a_frame_of_reference_is_refused(
    segmented: Callable[..., Origin], tmp_path: Path
) -> None:
    origin = segmented()
    rewrite(
        list((tmp_path / "source").iterdir()), lambda data: delattr(data, "FrameOfReferenceUID")
    )
    with pytest.raises(OutputError, match="no Frame of Reference UID"):
        make_segmentation(origin)


@pytest.mark.skipif(shutil.which("segimage2itkimage") is None, reason="dcmqi is not installed")
@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL])
def test_dcmqi_reads_the_same_volume_in_the_same_place(
    segmented: Callable[..., Origin], tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    origin = segmented(Made(orientation=orientation))
    words = ["--inputDICOM", written(origin, tmp_path / "s.dcm"), "--outputDirectory", tmp_path]
    run = ["segimage2itkimage", *map(str, words), "--mergeSegments", "-t", "nii", "--prefix", "m"]
    subprocess.run(run, check=True, capture_output=True)
    (path,) = tmp_path.glob("m*.nii.gz")
    read = nib.load(path)
    assert isinstance(read, nib.Nifti1Image)
    assert sorted(read.shape) == sorted(origin.series.stack.shape)
    stack = origin.series.stack
    labels = np.asanyarray(read.dataobj).astype(np.int32)
    np.testing.assert_array_equal(
        on_slices(labels, np.asarray(read.affine, np.float64), stack), expected(origin)
    )


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("write", WRITERS)
def test_dciodvfy_finds_nothing(
    segmented: Callable[..., Origin], tmp_path: Path, write: Callable[..., object]
) -> None:
    path = written(segmented(write=write), tmp_path / "s.dcm")
    run = subprocess.run([str(DCIODVFY), str(path)], capture_output=True, text=True, check=False)
    assert run.stderr.split() == ["Segmentation"], run.stderr

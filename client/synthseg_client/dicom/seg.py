"""Label maps as DICOM Segmentations, on the slices of the series that they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from highdicom import (
    UID,
    CoordinateSystemNames,
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
)
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom import dcmread
from synthseg_common.arrays import AnyArray, Int32Array
from synthseg_common.files import FileGroup, replacing

from synthseg_client.dicom.codes import display_colour, structure_of
from synthseg_client.dicom.geometry import on_slices, shape_of
from synthseg_client.dicom.origin import ALGORITHM, MANUFACTURER, Origin, forget_equipment
from synthseg_client.dicom.stacks import Stack
from synthseg_client.errors import OutputError, ResultError

_LONGEST_LABEL = 64


def make_segmentation(origin: Origin) -> Segmentation:
    """A DICOM Segmentation of every structure of the label table, empty ones too.

    It has a binary frame of every slice for every structure, empty ones too: readers that take the
    volume from its frames get that of the series.

    Raises:
        OutputError: The series does not say in which frame of reference it lies.
    """
    stack, result = origin.series.stack, origin.result
    sources = origin.sources
    if any(not source.get("FrameOfReferenceUID") for source in sources):
        raise OutputError(
            f"{origin.series.title}: has no Frame of Reference UID (0020,0052), on which a "
            "segmentation has to lie: leave out --dicom-seg and --dicom-sr."
        )
    labels = on_slices(result.labels_on_scan(), result.scan.affine, stack)
    # highdicom takes many files of one slice, or one of many.
    several = stack.header.is_multi_frame and len(sources) > 1
    made = Segmentation(
        source_images=sources[:1] if several else sources,
        further_source_images=sources[1:] if several else None,
        pixel_array=_numbered(labels, result.label_table.values[1:]),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=_descriptions(origin),
        series_instance_uid=UID(),
        series_number=origin.series_number(1),
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=ALGORITHM,
        software_versions=origin.version,
        device_serial_number=origin.device_serial,
        content_label="SYNTHSEG",
        content_description="Structures of the brain",
        series_description="SynthSeg labels",
        omit_empty_frames=False,
        pixel_measures=_measures(stack),
        plane_orientation=_orientation(stack),
        plane_positions=_positions(stack),
    )
    forget_equipment(made)
    return made


def write_segmentation(path: Path, made: Segmentation, group: FileGroup | None = None) -> None:
    """Writes a DICOM Segmentation whole or not at all.

    Raises:
        OutputError: It cannot be written.
        ResultError: What was written is not what was made.
    """
    with replacing(path, group) as temporary:
        made.save_as(temporary)
        found = dcmread(temporary, specific_tags=["NumberOfFrames", "PixelData", "SegmentSequence"])
        if found.NumberOfFrames != made.NumberOfFrames or found.PixelData != made.PixelData:
            raise ResultError(
                f"{path}: was written with other frames than the result has, so it was not kept: "
                "a fault of this program, or of the disk."
            )


def _numbered(labels: Int32Array, values: tuple[int, ...]) -> AnyArray:
    """Label values as numbers of segments, from 1."""
    numbers = np.zeros(values[-1] + 1, np.uint8 if len(values) < 256 else np.uint16)
    numbers[list(values)] = np.arange(1, len(values) + 1)
    numbered: AnyArray = numbers[labels]
    return numbered


def _descriptions(origin: Origin) -> list[SegmentDescription]:
    result = origin.result
    table = result.label_table
    algorithm = origin.algorithm()
    described = []
    for number, (value, name) in enumerate(zip(*table, strict=True)):
        if number == 0:
            continue  # the background
        structure = structure_of(value, name, is_brain=result.model.is_brain)
        segment = SegmentDescription(
            segment_number=number,
            segment_label=name[:_LONGEST_LABEL],
            segmented_property_category=structure.category,
            segmented_property_type=structure.type,
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=UID(),
            tracking_id=name[:_LONGEST_LABEL],
            anatomic_regions=[structure.region] if structure.region else None,
            display_color=display_colour(value),
        )
        if structure.side is not None:
            kind = segment.SegmentedPropertyTypeCodeSequence[0]
            kind.SegmentedPropertyTypeModifierCodeSequence = [structure.side]
        described.append(segment)
    return described


def _measures(stack: Stack) -> PixelMeasuresSequence:
    shape = shape_of(stack)
    return PixelMeasuresSequence(
        pixel_spacing=stack.frames[0].place.pixel_mm,
        slice_thickness=stack.header.thickness_mm or shape.step_mm,
        spacing_between_slices=shape.step_mm if shape.is_even else None,
    )


def _orientation(stack: Stack) -> PlaneOrientationSequence:
    return PlaneOrientationSequence(
        CoordinateSystemNames.PATIENT, stack.frames[0].place.orientation
    )


def _positions(stack: Stack) -> list[PlanePositionSequence]:
    return [
        PlanePositionSequence(CoordinateSystemNames.PATIENT, frame.place.position)
        for frame in stack.frames
    ]

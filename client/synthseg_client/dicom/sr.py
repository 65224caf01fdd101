"""Volumes of structures as a DICOM measurement report (TID 1500)."""

from __future__ import annotations

from pathlib import Path

from highdicom import UID
from highdicom.seg import Segmentation
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import dcmread
from pydicom.sr.codedict import codes
from synthseg_common.files import FileGroup, replacing

from synthseg_client.dicom.codes import structure_of
from synthseg_client.dicom.origin import ALGORITHM, FAMILY, MANUFACTURER, Origin, forget_equipment
from synthseg_client.errors import ResultError

_VOLUME = CodedConcept("118565006", "SCT", "Volume")
_MM3 = CodedConcept("mm3", "UCUM", "cubic millimeter")
_BRAIN = CodedConcept("12738006", "SCT", "Brain")
_DEVICE = CodedConcept("121007", "DCM", "Device")


def make_report(origin: Origin, segmentation: Segmentation) -> Comprehensive3DSR:
    """A report of the volume of every structure, each with its segment.

    Args:
        origin: The segmentation and its series.
        segmentation: From `make_segmentation`; the report refers to it.
    """
    header = origin.series.stack.header  # highdicom lists images of one frame alone
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(
                _DEVICE,
                DeviceObserverIdentifyingAttributes(
                    uid=origin.device_uid,
                    name=ALGORITHM,
                    manufacturer_name=MANUFACTURER,
                    model_name=origin.result.model.title,
                    serial_number=origin.device_serial,
                ),
            )
        ),
        procedure_reported=_procedure(origin),
        imaging_measurements=_groups(origin, segmentation),
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=None if header.is_multi_frame else origin.sources,
    )
    made = Comprehensive3DSR(
        evidence=[segmentation, *origin.sources],
        content=report[0],
        series_instance_uid=UID(),
        series_number=origin.series_number(2),
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=ALGORITHM,
        software_versions=segmentation.SoftwareVersions,
        device_serial_number=origin.device_serial,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="SynthSeg volumes",
    )
    forget_equipment(made)
    return made


def write_report(path: Path, made: Comprehensive3DSR, group: FileGroup | None = None) -> None:
    """Writes a DICOM report whole or not at all.

    Raises:
        OutputError: It cannot be written.
        ResultError: What was written is not what was made.
    """
    with replacing(path, group) as temporary:
        made.save_as(temporary)
        if len(dcmread(temporary).ContentSequence) != len(made.ContentSequence):
            raise ResultError(
                f"{path}: was written with other content than the result has, so it was not kept: "
                "a fault of this program, or of the disk."
            )


def _groups(
    origin: Origin, segmentation: Segmentation
) -> list[VolumetricROIMeasurementsAndQualitativeEvaluations]:
    """One per segment."""
    result = origin.result
    table = result.label_table
    source = SourceSeriesForSegmentation(origin.sources[0].SeriesInstanceUID)
    groups = []
    structures = list(zip(*table, strict=True))[1:]
    for segment, (value, name) in zip(segmentation.SegmentSequence, structures, strict=True):
        structure = structure_of(value, name, is_brain=result.model.is_brain)
        groups.append(
            VolumetricROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=TrackingIdentifier(segment.TrackingUID, segment.TrackingID),
                referenced_segment=ReferencedSegment(
                    segmentation.SOPClassUID,
                    segmentation.SOPInstanceUID,
                    segment.SegmentNumber,
                    source_series=source,
                ),
                finding_category=structure.category,
                finding_type=structure.type,
                finding_sites=[
                    FindingSite(structure.region or structure.type, laterality=structure.side)
                ],
                algorithm_id=AlgorithmIdentification(
                    name=ALGORITHM,
                    version=origin.version,
                    parameters=[f"{n}={v}" for n, v in origin.parameters.items()],
                    family=FAMILY,
                    manufacturer=MANUFACTURER,
                ),
                measurements=[Measurement(_VOLUME, result.volumes[name], _MM3)],
            )
        )
    return groups


def _procedure(origin: Origin) -> CodedConcept:
    if origin.series.modality == "CT":
        return CodedConcept("24725-4", "LN", "CT Head")
    return CodedConcept("24590-2", "LN", "MR Brain")

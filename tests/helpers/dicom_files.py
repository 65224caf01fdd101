"""Made-up DICOM series: no patient, whatever geometry, one file a slice or all in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)
from synthseg_common.arrays import AnyArray

PATIENT = {"PatientName": "Doe^Jane", "PatientID": "SECRET-77", "PatientBirthDate": "19610203"}
"""Fields that must not show up anywhere but in DICOM results."""
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
MANY = (40, 36, 24)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A series to write.

    Attributes:
        shape: Columns, rows, slices.
        pixel_mm: Distance of rows, and of columns.
        step_mm: From one slice to the next.
        orientation: As `ImageOrientationPatient`.
        tilt_deg: By which slices are shifted along their columns, as a tilted gantry does.
        leave_out: Slices that are missing.
        fields: Any others, by keyword.
        modality: MR or CT.
        study: UID of the study.
        series: UID of the series.
        seed: Of the noise.
    """

    shape: tuple[int, int, int] = MANY
    pixel_mm: tuple[float, float] = (2.0, 1.5)
    step_mm: float = 3.0
    orientation: tuple[float, ...] = AXIAL
    tilt_deg: float = 0.0
    leave_out: Sequence[int] = ()
    fields: dict[str, object] | None = None
    modality: str = "MR"
    study: str = ""
    series: str = ""
    seed: int = 0

    def image(self) -> AnyArray:
        """uint16 `[slice, row, column]`: a bright box in a dark one in noise, off centre."""
        columns, rows, slices = self.shape
        image = np.random.default_rng(self.seed).random((slices, rows, columns)) * 10
        image[3:-2, 6:-4, 8:-5] += 500
        image[7:-4, 12:-8, 14:-12] += 400
        return image.astype(np.uint16)

    def position(self, index: int) -> AnyArray:
        """Where the first pixel of a slice lies, in DICOM's millimetres."""
        x, y = np.reshape(self.orientation, (2, 3))
        normal = np.cross(x, y)
        shift = np.tan(np.deg2rad(self.tilt_deg)) * self.step_mm * index
        place: AnyArray = np.array([-31.5, 12.25, -40.0]) + normal * self.step_mm * index
        rounded: AnyArray = np.round(place + y * shift, 6)
        return rounded


def write_series(folder: Path, made: Made | None = None) -> list[Path]:
    """Writes one file a slice, named without an ending and not in order of the slices."""
    made = made or Made()
    folder.mkdir(parents=True, exist_ok=True)
    series, study, frame = made.series or generate_uid(), made.study or generate_uid(), _uid()
    written = []
    for index, pixels in enumerate(made.image()):
        if index in made.leave_out:
            continue
        data = _common(made, study, series, frame)
        data.InstanceNumber = index + 1
        data.ImagePositionPatient = made.position(index).tolist()
        data.ImageOrientationPatient = list(made.orientation)
        data.PixelSpacing = list(made.pixel_mm)
        data.SliceThickness = made.step_mm
        _put_pixels(data, pixels)
        _set(data, made.fields or {})
        path = folder / f"IM{(index * 7) % 101:04d}"
        save(data, path)
        written.append(path)
    return written


def write_multi_frame(path: Path, made: Made | None = None) -> Path:
    """Writes an enhanced MR image, all slices in one file."""
    made = made or Made()
    image = made.image()
    data = _common(made, made.study or _uid(), made.series or _uid(), _uid())
    data.SOPClassUID = EnhancedMRImageStorage
    data.InstanceNumber = 1
    data.NumberOfFrames = len(image)
    data.SharedFunctionalGroupsSequence = [_shared(made)]
    data.PerFrameFunctionalGroupsSequence = [_frame(made, i) for i in range(len(image))]
    _put_pixels(data, image)
    _set(data, made.fields or {})
    save(data, path)
    return path


def write_single_frames(folder: Path, made: Made | None = None) -> list[Path]:
    """Writes enhanced MR images of one slice each, as newer scanners do."""
    made = made or Made()
    paths = write_series(folder, made)
    for path in paths:
        data = dcmread(path)
        index = int(data.InstanceNumber) - 1
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
        data.NumberOfFrames = 1
        data.SharedFunctionalGroupsSequence = [_shared(made)]
        data.PerFrameFunctionalGroupsSequence = [_frame(made, index)]
        del data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing
        data.save_as(path)
    return paths


def write_magnitude_and_phase(path: Path, made: Made | None = None) -> Path:
    """Writes an enhanced MR image whose second half is the phase of the first."""
    made = made or Made()
    write_multi_frame(path, made)
    data = dcmread(path)
    groups = []
    for component in ("MAGNITUDE", "PHASE"):
        for index in range(made.shape[2]):
            kind, group = Dataset(), _frame(made, index)
            kind.FrameType = ["ORIGINAL", "PRIMARY", component[0], "NONE"]
            kind.ComplexImageComponent = component
            group.MRImageFrameTypeSequence = [kind]
            groups.append(group)
    data.PerFrameFunctionalGroupsSequence = groups
    data.NumberOfFrames = len(groups)
    data.PixelData = data.PixelData + (4000 - made.image()).astype("<u2").tobytes()
    data.save_as(path)
    return path


def rewrite(paths: Sequence[Path], change: Callable[[Dataset], None]) -> None:
    """Reads files, changes each, and writes them again."""
    for path in paths:
        data = dcmread(path)
        change(data)
        data.save_as(path)


def save(data: Dataset, path: Path) -> None:
    """Writes a data set as a DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), data, preamble=b"\0" * 128, file_meta=meta)
    file.save_as(path, enforce_file_format=True)


def _shared(made: Made) -> Dataset:
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(made.pixel_mm)
    measures.SliceThickness = measures.SpacingBetweenSlices = made.step_mm
    orientation.ImageOrientationPatient = list(made.orientation)
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    return shared


def _frame(made: Made, index: int) -> Dataset:
    group, content, position = Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber = "1", index + 1
    content.DimensionIndexValues = [1, index + 1]
    position.ImagePositionPatient = made.position(index).tolist()
    group.FrameContentSequence = [content]
    group.PlanePositionSequence = [position]
    return group


def _common(made: Made, study: str, series: str, frame: str) -> Dataset:
    data = Dataset()
    data.SOPClassUID = CTImageStorage if made.modality == "CT" else MRImageStorage
    data.SOPInstanceUID = _uid()
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
    data.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    data.Modality, data.Manufacturer = made.modality, "Nobody"
    data.StudyDate, data.StudyTime, data.AccessionNumber = "20200304", "101112", "ACC-55"
    data.ReferringPhysicianName, data.StudyID, data.PatientSex = "Roe^Richard", "ST1", "F"
    data.SeriesNumber, data.PatientPosition = 4, "HFS"
    data.SeriesDescription = "made up for a test"
    data.MRAcquisitionType = "3D"
    data.EchoTime = 2.5
    if made.modality == "CT":
        data.RescaleSlope, data.RescaleIntercept = 1, -100
    _set(data, dict(PATIENT))
    return data


def _put_pixels(data: Dataset, pixels: AnyArray) -> None:
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = pixels.astype("<u2").tobytes()


def _set(data: Dataset, fields: dict[str, object]) -> None:
    for keyword, value in fields.items():
        setattr(data, keyword, value)


def _uid() -> str:
    return str(generate_uid())

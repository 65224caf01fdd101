"""Frames of enhanced files as files of one slice each, which converters do not mix up.

An enhanced file may hold echoes, parts and volumes in any order, which dcm2niix tells apart by what
vendors write; of a file without that it interleaves them. So it gets the frames that were chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import UID, CTImageStorage, MRImageStorage, generate_uid

from synthseg_client.dicom.headers import Place

_PIXELS = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation"),
)
_OF_SERIES = ("StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber")


def write_frames(
    data: Dataset, syntax: UID, places: Iterable[Place], folder: Path, *, start: int = 0
) -> None:
    """Writes some frames of an enhanced file as files of one slice, without the patient.

    Args:
        data: The file, with its pixels.
        syntax: Its transfer syntax.
        places: Of the frames.
        folder: Where to.
        start: Number of the first file.

    Raises:
        ValueError: There are fewer pixels than frames.
    """
    shared = (data.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for index, place in enumerate(places, start):
        groups = data.get("PerFrameFunctionalGroupsSequence")
        own = groups[place.number - 1] if groups else Dataset()
        slice_ = _slice_of(data, place, index)
        _scale(slice_, own, shared)
        slice_.PixelData = _pixels(data, syntax, place.number - 1)
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = syntax
        meta.MediaStorageSOPClassUID = slice_.SOPClassUID
        meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        name = folder / f"{index:06d}.dcm"
        file = FileDataset(str(name), slice_, preamble=b"\0" * 128, file_meta=meta)
        file.save_as(name, enforce_file_format=True)


def _slice_of(data: Dataset, place: Place, index: int) -> Dataset:
    """A file of one slice, without pixels."""
    made = Dataset()
    for keyword in (*_OF_SERIES, *_PIXELS):
        if keyword in data:
            made[keyword] = data[keyword]
    made.SOPClassUID = CTImageStorage if data.get("Modality") == "CT" else MRImageStorage
    made.SOPInstanceUID = generate_uid()
    made.InstanceNumber = index + 1
    made.ImagePositionPatient = [_decimal(number) for number in place.position]
    made.ImageOrientationPatient = [_decimal(number) for number in place.orientation]
    made.PixelSpacing = [_decimal(number) for number in place.pixel_mm]
    return made


def _decimal(number: float) -> str:
    """A number in the 16 characters that DICOM has for one."""
    return f"{number:.16g}" if len(f"{number:.16g}") <= 16 else f"{number:.9g}"


def _scale(made: Dataset, own: Dataset, shared: Dataset) -> None:
    """From stored values to those that are meant, Hounsfield units for instance."""
    for group in (own, shared):
        changes = group.get("PixelValueTransformationSequence")
        if changes:
            made.RescaleSlope = changes[0].get("RescaleSlope", 1)
            made.RescaleIntercept = changes[0].get("RescaleIntercept", 0)
            return


def _pixels(data: Dataset, syntax: UID, index: int) -> bytes:
    """The pixels of a frame, as they are stored."""
    if syntax.is_encapsulated:
        count = int(data.NumberOfFrames)
        return encapsulate([get_frame(data.PixelData, index, number_of_frames=count)])
    size = int(data.Rows) * int(data.Columns) * int(data.BitsAllocated) // 8
    pixels: bytes = data.PixelData[index * size : (index + 1) * size]
    if len(pixels) < size:
        raise ValueError(f"holds fewer pixels than {data.NumberOfFrames} frames")
    return pixels if len(pixels) % 2 == 0 else pixels + b"\0"

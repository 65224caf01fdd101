"""What is read of each DICOM file to tell series apart: geometry, kind, nothing of the patient."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from synthseg_client.dicom.archive import Packed, Reader

Numbers = tuple[float, ...]
_TAGS = [
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SliceThickness"),
    *("InstanceNumber", "AcquisitionNumber", "Modality", "ImageType", "AngioFlag", "EchoTime"),
    *("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "PixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "LossyImageCompression"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "ComplexImageComponent",
]
# Of frames, in the order that they are used.
_GROUPS = (
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"),
    *("MREchoSequence", "MRImageFrameTypeSequence", "CTImageFrameTypeSequence"),
)
_PARTS = {
    **dict.fromkeys(("P", "PHASE", "PHASE MAP"), "phase"),
    **dict.fromkeys(("R", "REAL"), "real"),
    **dict.fromkeys(("I", "IMAGINARY"), "imaginary"),
    **dict.fromkeys(("M", "MAGNITUDE"), "magnitude"),
}


class Place(NamedTuple):
    """Where a slice lies, and what it was taken with.

    Attributes:
        number: Of the frame in its file, from 1.
        position: mm, in DICOM's axes: centre of its first pixel.
        orientation: Directions of its rows and columns.
        pixel_mm: Distance of rows, and of columns.
        echo_ms: Echo time; 0 where it is not said.
        part: `magnitude`, `phase`, `real` or `imaginary`, where it is said.
    """

    number: int
    position: Numbers
    orientation: Numbers
    pixel_mm: Numbers
    echo_ms: float
    part: str


@dataclass(frozen=True, eq=False, slots=True)
class Header:
    """A DICOM file as far as it matters which volume it belongs to; small, for there are many.

    Attributes:
        packed: Where it is.
        syntax: UID of its transfer syntax.
        study: UID of its study.
        series: UID of its series.
        instance: UID of the file.
        series_number: As the scanner counted; None if it is not said.
        order: Numbers of acquisition and instance.
        modality: `MR`, `CT`, or that of no scan.
        kinds: Words of its image type, in capitals.
        size: Columns and rows.
        is_colour: Whether a pixel is several numbers.
        is_multi_frame: Whether it may hold several slices.
        is_angiogram: Whether it says that it shows vessels.
        is_lossy: Whether it was compressed with a loss.
        thickness_mm: Of a slice; 0 where it is not said.
        places: Of its slices that say where they lie.
    """

    packed: Packed
    syntax: str
    study: str
    series: str
    instance: str
    series_number: int | None
    order: tuple[int, int]
    modality: str
    kinds: tuple[str, ...]
    size: tuple[int, int]
    is_colour: bool
    is_multi_frame: bool
    is_angiogram: bool
    is_lossy: bool
    thickness_mm: float
    places: tuple[Place, ...]


def read_header(packed: Packed, reader: Reader) -> Header | None:
    """The header of a file; None where there is none that could belong to a series.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        with reader.open(packed) as stream:
            data = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            return _header(packed, data, str(data.file_meta.get("TransferSyntaxUID", "")))
    except OSError:
        raise
    except Exception:  # whatever a decoder of broken bytes raises
        return None


def _header(packed: Packed, data: Dataset, syntax: str) -> Header | None:
    if not data.get("SeriesInstanceUID"):
        return None
    return Header(
        packed=packed,
        syntax=sys.intern(syntax),
        study=_text(data, "StudyInstanceUID"),
        series=_text(data, "SeriesInstanceUID"),
        instance=_text(data, "SOPInstanceUID"),
        series_number=_whole(data, "SeriesNumber"),
        order=(_whole(data, "AcquisitionNumber") or 0, _whole(data, "InstanceNumber") or 0),
        modality=_text(data, "Modality"),
        kinds=_kinds(data, "ImageType"),
        size=(_whole(data, "Columns") or 0, _whole(data, "Rows") or 0),
        is_colour=_whole(data, "SamplesPerPixel") not in (None, 1),
        is_multi_frame="NumberOfFrames" in data,
        is_angiogram=_text(data, "AngioFlag") == "Y",
        is_lossy=_text(data, "LossyImageCompression") == "01",
        thickness_mm=_number(data, "SliceThickness"),
        places=tuple(_places(data)),
    )


def _places(data: Dataset) -> Iterator[Place]:
    """The slices of a file that say where they lie."""
    groups = data.get("PerFrameFunctionalGroupsSequence")
    if groups is None:
        part = _part(data, "ImageType")
        yield from _place(1, ([data],) * 3, _number(data, "EchoTime"), part)
        return
    shared = (data.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for number, group in enumerate(groups, 1):
        found = [group.get(keyword) or shared.get(keyword) for keyword in _GROUPS]
        echoes, types = found[3], found[4] or found[5]
        echo = _number(echoes[0], "EffectiveEchoTime") if echoes else 0.0
        part = _part(types[0], "FrameType") if types else ""
        yield from _place(number, found[:3], echo, part)


def _place(
    number: int, geometry: Sequence[Sequence[Dataset] | None], echo_ms: float, part: str
) -> Iterator[Place]:
    """A slice, if its geometry is whole."""
    positions, planes, sizes = geometry
    position = _numbers(positions, "ImagePositionPatient", 3)
    orientation = _numbers(planes, "ImageOrientationPatient", 6)
    pixel_mm = _numbers(sizes, "PixelSpacing", 2)
    if position and orientation and pixel_mm and min(pixel_mm) > 0 and _is_plane(orientation):
        yield Place(number, position, orientation, pixel_mm, echo_ms, part)


def _is_plane(orientation: Numbers) -> bool:
    x, y = np.reshape(orientation, (2, 3))
    lengths = np.linalg.norm([x, y], axis=1)
    return bool(np.all(np.abs(lengths - 1) < 0.01) and abs(float(x @ y)) < 0.01)


def _part(data: Dataset, keyword: str) -> str:
    """Which part of a complex number the pixels are."""
    words = (_text(data, "ComplexImageComponent").upper(), *_kinds(data, keyword)[2:])
    return next((_PARTS[word] for word in words if word in _PARTS), "")


def _kinds(data: Dataset, keyword: str) -> tuple[str, ...]:
    value = data.get(keyword) or ()
    words = (value,) if isinstance(value, str) else value
    return tuple(sys.intern(str(word).upper()) for word in words)


def _text(data: Dataset, keyword: str) -> str:
    return sys.intern(str(data.get(keyword) or "").strip())


def _whole(data: Dataset, keyword: str) -> int | None:
    value = data.get(keyword)
    return None if value is None or value == "" else int(value)


def _number(data: Dataset, keyword: str) -> float:
    value = data.get(keyword)
    return 0.0 if value is None or value == "" else float(value)


def _numbers(items: Sequence[Dataset] | None, keyword: str, count: int) -> Numbers:
    value = items[0].get(keyword) if items else None
    numbers = tuple(float(part) for part in value or ())
    return numbers if len(numbers) == count and np.all(np.isfinite(numbers)) else ()

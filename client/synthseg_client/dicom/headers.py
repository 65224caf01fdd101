"""What is read of each DICOM file to tell series apart: geometry, kind, nothing of the patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from synthseg_client.dicom.archive import Packed, Reader

_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber"),
    *("InstanceNumber", "AcquisitionNumber", "Modality", "ImageType", "MRAcquisitionType"),
    *("AngioFlag", "EchoTime", "EchoNumbers", "Rows", "Columns", "SamplesPerPixel"),
    *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "NumberOfFrames"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("LossyImageCompression", "PhotometricInterpretation", "ComplexImageComponent"),
]
Numbers = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Header:
    """A DICOM file as far as it matters which series it belongs to.

    Attributes:
        packed: Where it is.
        data: Its elements, without pixels and without the patient's.
        syntax: UID of its transfer syntax.
    """

    packed: Packed
    data: Dataset
    syntax: UID

    def text(self, keyword: str) -> str:
        """An element as text; empty if it is missing."""
        return str(self.data.get(keyword) or "").strip()

    def number(self, keyword: str) -> int | None:
        """An element as a whole number; None if it is missing or none."""
        try:
            return int(self.data.get(keyword))
        except (TypeError, ValueError):
            return None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The words of its image type, in capitals."""
        value = self.data.get("ImageType") or ()
        words = (value,) if isinstance(value, str) else value
        return tuple(str(word).upper() for word in words)


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice: a file, or a frame of one.

    Attributes:
        header: Of the file.
        number: Of the frame in the file, from 1.
        position: mm, LPS: centre of its first pixel.
        orientation: Directions of its rows and columns.
        pixel_mm: Distance of rows, and of columns.
        echo_ms: Echo time, where it is said.
    """

    header: Header
    number: int
    position: Numbers
    orientation: Numbers
    pixel_mm: Numbers
    echo_ms: float | None


def read_header(packed: Packed, reader: Reader) -> Header | None:
    """The header of a file; None where there is none that could belong to a series.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        with reader.open(packed) as stream:
            data = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            syntax = UID(str(data.file_meta.get("TransferSyntaxUID", "")))
            # Elements are decoded when they are asked for: all of them now, while errors count.
            data.decode()
    except OSError:
        raise
    except Exception:  # whatever a decoder of broken bytes raises
        return None
    return Header(packed, data, syntax) if data.get("SeriesInstanceUID") else None


def frames_of(header: Header) -> Iterator[Frame]:
    """The slices of a file that say where they lie."""
    data = header.data
    groups = data.get("PerFrameFunctionalGroupsSequence")
    if groups is None:
        yield from _frame(header, 1, [data], [data], [data], data.get("EchoTime"))
        return
    shared = data.get("SharedFunctionalGroupsSequence") or [Dataset()]
    for number, group in enumerate(groups, 1):
        places = group.get("PlanePositionSequence") or shared[0].get("PlanePositionSequence")
        planes = group.get("PlaneOrientationSequence") or shared[0].get("PlaneOrientationSequence")
        sizes = group.get("PixelMeasuresSequence") or shared[0].get("PixelMeasuresSequence")
        echoes = group.get("MREchoSequence") or shared[0].get("MREchoSequence")
        echo = echoes[0].get("EffectiveEchoTime") if echoes else None
        yield from _frame(header, number, places, planes, sizes, echo)


def _frame(
    header: Header, number: int, places: Any, planes: Any, sizes: Any, echo: Any
) -> Iterator[Frame]:
    """A slice, if its geometry is whole."""
    position = _numbers(places, "ImagePositionPatient", 3)
    orientation = _numbers(planes, "ImageOrientationPatient", 6)
    pixel_mm = _numbers(sizes, "PixelSpacing", 2)
    if position and orientation and pixel_mm and min(pixel_mm) > 0 and _is_plane(orientation):
        echo_ms = None if echo is None else float(echo)
        yield Frame(header, number, position, orientation, pixel_mm, echo_ms)


def _numbers(items: Sequence[Dataset] | None, keyword: str, count: int) -> Numbers:
    value = items[0].get(keyword) if items else None
    try:
        numbers = tuple(float(part) for part in value or ())
    except (TypeError, ValueError):
        return ()
    return numbers if len(numbers) == count and np.all(np.isfinite(numbers)) else ()


def _is_plane(orientation: Numbers) -> bool:
    x, y = np.reshape(orientation, (2, 3))
    lengths = np.linalg.norm([x, y], axis=1)
    return bool(np.all(np.abs(lengths - 1) < 0.01) and abs(float(x @ y)) < 0.01)

"""Headers and voxels of image files, read once, without nibabel's own checks and log."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from nibabel.volumeutils import apply_read_scaling

from synthseg_common.arrays import AnyArray
from synthseg_common.errors import ImageError
from synthseg_common.formats import FORMATS
from synthseg_common.images.analyze import parse_analyze, parts_of_pair
from synthseg_common.images.content import (
    FIRST_BYTES,
    explain,
    is_analyze,
    is_mgh,
    is_nifti,
    placeholder,
    refuse_known,
    refuse_pointer,
)
from synthseg_common.images.header import ImageHeader
from synthseg_common.images.mgh import parse_mgh
from synthseg_common.images.nifti import parse_nifti
from synthseg_common.images.placement import refuse_voxel_sizes
from synthseg_common.images.streams import (
    is_compressed,
    most_bytes,
    opened,
    read_on,
    refuse_unreadable,
    skip,
)
from synthseg_common.memory import memory_limit

_MGH = tuple(f.suffix for f in FORMATS if f.name == "mgh")
_PAIRS = (".img", ".hdr", ".img.gz", ".hdr.gz")
_PACKED = (".gz", ".mgz")
_HELD_PER_VOXEL = 4
"""Bytes that a voxel takes beside what it takes in the file: as float32 or int32."""
_log = logging.getLogger(__name__)


@np.errstate(all="ignore")  # what overflows is told by its value
def read_header(path: Path) -> ImageHeader:
    """What an image file says about itself, checked against its size.

    Args:
        path: NIfTI (.nii, .nii.gz), MGH (.mgh, .mgz), or either half of an Analyze or NIfTI pair.

    Raises:
        ImageError: It is missing, broken, of another kind, or contradicts itself; the message
            names the file and what to do.
    """
    refuse_unreadable(path)
    header_path, data_path = _parts(path)
    if header_path != data_path:
        _refuse_half(path, header_path, data_path)
    first = _first_bytes(header_path)
    header = _parse(path, first, data_path)
    refuse_voxel_sizes(path, header.placement.affine)
    _refuse_missing_data(header)
    notes = (*header.notes, *_packing(path))
    return replace(header, notes=notes)


def read_values(header: ImageHeader, *, first_only: bool = False) -> AnyArray:
    """Reads the voxels, and a compressed file to its end, where its checksum is compared.

    Args:
        header: Of the image.
        first_only: Of several volumes give the first.

    Returns:
        `header.shape`, or its first three axes; in the type on disk (any byte order), or a floating
        type where the header has a scale factor.

    Raises:
        ImageError: They are cut off, or not what was written.
    """
    with _voxels(header) as stream:
        return _next(stream, header, header.shape[:3] if first_only else header.shape)


def read_volumes(header: ImageHeader) -> Iterator[AnyArray]:
    """Reads one volume after the other, of which one at a time is in memory; see `read_values`.

    Yields:
        `[x, y, z]`.
    """
    with _voxels(header) as stream:
        for _ in range(header.n_volumes):
            yield _next(stream, header, header.shape[:3])


def tell_notes(header: ImageHeader) -> None:
    """Writes to the log what was odd about an image."""
    for note in header.notes:
        _log.warning("%s: %s.", header.path, note)


@contextmanager
def _voxels(header: ImageHeader) -> Iterator[io.BufferedIOBase]:
    """A stream at the first voxel, which is read to its end when the block ends well."""
    with opened(header.data_path) as stream:
        skip(stream, header.offset)
        yield stream
        if is_compressed(header.data_path):
            read_on(stream)


def _next(stream: io.BufferedIOBase, header: ImageHeader, shape: tuple[int, ...]) -> AnyArray:
    wanted = math.prod(shape) * header.dtype.itemsize
    _refuse_what_memory_cannot_hold(header, shape)
    voxels = bytearray(wanted)
    got = stream.readinto(voxels)
    if got < wanted:
        raise EOFError(f"{got} bytes of voxels where {wanted} were promised")
    values = np.frombuffer(voxels, header.dtype).reshape(shape, order="F")
    try:
        with np.errstate(all="ignore"):  # what overflows is told by its value
            if header.slope == 1:
                return apply_read_scaling(values, np.float64(1), np.float64(header.intercept))
            scaled: AnyArray = apply_read_scaling(values, np.float64(header.slope), None)
            if header.intercept:
                scaled += header.intercept  # in place: these are large
    except ValueError as error:
        raise ImageError(f"{header.path}: its scale factor is too large: {error}.") from error
    return scaled


def _refuse_what_memory_cannot_hold(header: ImageHeader, shape: tuple[int, ...]) -> None:
    """Refuses what the kernel would end the process for: a megabyte may unpack to a gigabyte."""
    limit = memory_limit()
    needed = math.prod(shape) * (header.dtype.itemsize + _HELD_PER_VOXEL)
    if limit is not None and needed > limit.size_bytes:
        raise ImageError(
            f"{header.path}: its {'x'.join(map(str, shape))} voxels take {needed / 2**30:.1f} GiB "
            f"of memory, and there are {limit.size_bytes / 2**30:.1f} ({limit.source})."
        )


def _parts(path: Path) -> tuple[Path, Path]:
    """The files of header and voxels."""
    if not path.name.lower().endswith(_PAIRS):
        return path, path
    names = parts_of_pair(path)
    return Path(names["header"]), Path(names["image"])


def _first_bytes(path: Path) -> bytes:
    with opened(path) as stream:
        return stream.read(FIRST_BYTES)


def _refuse_half(path: Path, header_path: Path, data_path: Path) -> None:
    """Refuses a pair of which a half is not there, or stands for content that is elsewhere."""
    for half in (header_path, data_path):
        refuse_pointer(half)
        if not half.exists():
            refuse_known(path, _first_bytes(path), "half of an image pair")
            raise ImageError(f"{path}: its other half, {half.name}, is not there: copy it too.")
    if told := placeholder(data_path):
        raise ImageError(f"{data_path}: {told}.")


def _parse(path: Path, first: bytes, data_path: Path) -> ImageHeader:
    name = path.name.lower()
    if name.endswith(_PAIRS):
        if is_nifti(first):
            return parse_nifti(path, first, data_path=data_path)
        if is_analyze(first):
            return parse_analyze(path, data_path)
        raise explain(_parts(path)[0], first, "the header of an image pair")
    if name.endswith(_MGH):
        if is_nifti(first):
            raise ImageError(f"{path}: is a NIfTI image: its name must end in .nii or .nii.gz.")
        if is_mgh(first):
            return parse_mgh(path, first)
        raise explain(path, first, "an MGH image")
    if is_nifti(first):
        return parse_nifti(path, first)
    if is_mgh(first):
        raise ImageError(f"{path}: is an MGH image: its name must end in .mgh or .mgz.")
    raise explain(path, first, "a NIfTI image")


def _refuse_missing_data(header: ImageHeader) -> None:
    """Refuses a header that promises more than the file holds, before memory is taken."""
    with opened(header.data_path):
        pass  # it is there, and may be read
    promised = header.offset + math.prod(header.shape) * header.dtype.itemsize
    if promised > most_bytes(header.data_path):
        size = header.data_path.stat().st_size
        raise ImageError(
            f"{header.path}: its header promises {'x'.join(map(str, header.shape))} voxels from "
            f"byte {header.offset} on, but {size} bytes cannot hold them: cut off, or a wrong "
            "header."
        )


def _packing(path: Path) -> tuple[str, ...]:
    """What to tell where a name says otherwise than the file whether it is compressed."""
    packed, named = is_compressed(path), path.name.lower().endswith(_PACKED)
    if packed == named:
        return ()
    if packed:
        return ("is compressed, though its name does not say so: rename it, to end in .gz or .mgz",)
    return ("is not compressed, though its name says so: rename it, without .gz, or to .mgh",)

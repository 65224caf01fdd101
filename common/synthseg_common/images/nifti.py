"""NIfTI-1 and NIfTI-2 headers, read field by field: what is odd is mended and said, or refused.

nibabel checks them too, but mends much in silence or on standard error, without the file's name.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from synthseg_common.arrays import AnyDType
from synthseg_common.errors import ImageError
from synthseg_common.images.content import is_nifti_2
from synthseg_common.images.header import ImageHeader
from synthseg_common.images.nifti_placement import placement_of

_EOL_CHECKS = ((0, 0, 0, 0), (13, 10, 26, 10))
_EXTENSION_STEP = 16
_MOST_DIMENSIONS = 7


def parse_nifti(path: Path, first: bytes, *, data_path: Path | None = None) -> ImageHeader:
    """Reads a header.

    Args:
        path: The file that was named.
        first: The first bytes of the header file, unpacked; at least the header.
        data_path: The other half of a pair; None for a single file.

    Raises:
        ImageError: It contradicts itself in a way that cannot be mended.
    """
    two = is_nifti_2(first)
    kind: type[nib.Nifti1Header] = nib.Nifti2Header if two else nib.Nifti1Header
    size = 540 if two else 348
    if len(first) < size:
        raise ImageError(f"{path}: is cut off within its header.")
    header = kind(first[:size], endianness=_byte_order(first, size), check=False)
    notes: list[str] = []
    if two and tuple(int(n) for n in header["eol_check"]) not in _EOL_CHECKS:
        raise ImageError(
            f"{path}: was damaged in transfer (line ends were converted, as its header shows): "
            "copy it again in binary mode."
        )
    if int(header["sizeof_hdr"]) != size:
        notes.append(f"sizeof_hdr is {int(header['sizeof_hdr'])}, expected {size}: read on")
    shape = _shape(path, header)
    dtype = _dtype(path, header, notes)
    slope, intercept = _scaling(header, notes)
    offset = _offset(path, header, first, notes, single=data_path is None)
    placement = placement_of(path, header, shape, notes)
    return ImageHeader(
        path,
        data_path or path,
        "nifti",
        shape,
        dtype,
        offset,
        slope,
        intercept,
        placement,
        int(header["intent_code"]),
        tuple(notes),
    )


def _byte_order(first: bytes, size: int) -> str | None:
    """Which order makes sense of the first number; None leaves the guess to nibabel."""
    orders = ("<", ">")
    return next((o for o in orders if np.frombuffer(first[:4], f"{o}i4")[0] == size), None)


def _shape(path: Path, header: nib.Nifti1Header) -> tuple[int, ...]:
    count = int(header["dim"][0])
    if not 1 <= count <= _MOST_DIMENSIONS:
        raise ImageError(f"{path}: its header says {count} dimensions: it is broken.")
    shape = tuple(int(n) for n in header["dim"][1 : count + 1])
    if min(shape) < 1:
        raise ImageError(
            f"{path}: its header says {'x'.join(map(str, shape))} voxels: it is broken."
        )
    return shape


def _dtype(path: Path, header: nib.Nifti1Header, notes: list[str]) -> AnyDType:
    code = int(header["datatype"])
    try:
        dtype: AnyDType = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V")
    if dtype.itemsize == 0:
        raise ImageError(f"{path}: its voxel type (datatype {code}) is unknown: convert it.")
    if int(header["bitpix"]) != 8 * dtype.itemsize:
        notes.append(
            f"bitpix is {int(header['bitpix'])}, but its voxels ({dtype.name}) have "
            f"{8 * dtype.itemsize} bits: used the type"
        )
    return dtype


def _scaling(header: nib.Nifti1Header, notes: list[str]) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0:
        return 1.0, 0.0
    if not np.isfinite(slope):
        if np.isinf(slope):  # NaN is how many programs write that there is none
            notes.append(f"the scale factor {slope:g} is impossible: left the voxels as they are")
        return 1.0, 0.0
    if not np.isfinite(intercept):
        notes.append(f"the offset of intensities {intercept:g} is impossible: added nothing")
        return slope, 0.0
    return slope, intercept


def _offset(
    path: Path, header: nib.Nifti1Header, first: bytes, notes: list[str], *, single: bool
) -> int:
    """Where the voxels begin. Never within the header."""
    told = float(header["vox_offset"])
    least = int(header.single_vox_offset) if single else 0
    if not np.isfinite(told) or told < least:
        if single or told != 0:
            notes.append(
                f"the header says that voxels begin at byte {told:g}, which cannot be: "
                f"read them from byte {least} on"
            )
        return least
    if told != int(told):
        notes.append(f"voxels begin at byte {told:g}, by the header: took {int(told)}")
    if single:
        _refuse_extension_in_voxels(path, header, first, int(told))
    return int(told)


def _refuse_extension_in_voxels(
    path: Path, header: nib.Nifti1Header, first: bytes, offset: int
) -> None:
    start = int(header.single_vox_offset)
    if len(first) < start + 4 or not first[start - 4]:
        return
    size = int(np.frombuffer(first[start : start + 4], f"{header.endianness}i4")[0])
    if size >= _EXTENSION_STEP and size % _EXTENSION_STEP == 0 and start + size > offset:
        raise ImageError(
            f"{path}: its header extension reaches to byte {start + size}, but its voxels begin at "
            f"byte {offset}: one of the two is wrong, so convert the scan again."
        )

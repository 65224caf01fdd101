"""Image files byte by byte: nibabel's writers would mend what the tests want broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (6, 7, 8)
VOXEL_MM = (1.0, 1.25, 1.5)
AFFINE = np.array([[-1.0, 0, 0, 12], [0, 0, 1.5, -20], [0, -1.25, 0, 31], [0, 0, 0, 1]], np.float64)
LABELS = np.zeros(SHAPE, np.int16)
LABELS[1:4, 2:5, 3:6] = 2
LABELS[4, 4, 4] = 41
Edit = Callable[[Any], None]


def nifti(
    edit: Edit | None = None,
    *,
    values: np.ndarray = LABELS,
    two: bool = False,
    extension: bytes = b"\0\0\0\0",
) -> bytes:
    """A single-file NIfTI image whose header is edited last, and written as it then stands."""
    header: Any = nib.Nifti2Header() if two else nib.Nifti1Header()
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    header.set_xyzt_units("mm")
    header.set_sform(AFFINE, 1)
    header.set_qform(AFFINE, 1)
    header.set_slope_inter(1, 0)
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset - 4 + len(extension)
    if edit is not None:
        edit(header)
    return bytes(header.binaryblock) + extension + values.tobytes(order="F")


def mgh(edit: Edit | None = None, *, values: np.ndarray = LABELS) -> bytes:
    """An MGH image whose header is edited last."""
    header: Any = nib.MGHImage(values, AFFINE).header
    if edit is not None:
        edit(header)
    raw = bytes(header.binaryblock[:90]).ljust(284, b"\0")
    return raw + values.astype(values.dtype.newbyteorder(">")).tobytes(order="F")

"""Volumes in files, as tests write them; `loading` reads them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import DTypeLike
from synthseg_common.arrays import AnyArray, FloatArray


def save_volume(
    path: Path, values: AnyArray, affine: FloatArray | None = None, dtype: DTypeLike = np.int16
) -> Path:
    """Writes voxels of 1 mm, or as `affine` says, as NIfTI or MGH; the folder need not be there."""
    kind = nib.MGHImage if path.suffix == ".mgz" else nib.Nifti1Image
    path.parent.mkdir(exist_ok=True)
    nib.save(kind(values.astype(dtype), np.eye(4) if affine is None else affine), path)
    return path

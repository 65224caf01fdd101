"""Where an image lies, asked of nibabel and of ITK, which must agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK


def place_of(path: Path, voxel: Sequence[float]) -> np.ndarray:
    """RAS mm of a place in a NIfTI file, as both readers see it.

    Args:
        path: A file that states its place in one way only, or in two that agree.
        voxel: Indices, whole or not.
    """
    by_nibabel = nib.affines.apply_affine(nib.load(path).affine, voxel)
    image = SimpleITK.ReadImage(path)
    point = image.TransformContinuousIndexToPhysicalPoint([float(v) for v in voxel])
    np.testing.assert_allclose(np.array(point) * [-1, -1, 1], by_nibabel, atol=1e-3)
    return np.asarray(by_nibabel)

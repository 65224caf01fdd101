"""Where an image lies, asked of nibabel and of ITK, which must agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK
from loading import load_image


def place_of(path: Path, voxel: Sequence[float]) -> np.ndarray:
    """RAS mm of a place in a NIfTI file, as both readers see it.

    Args:
        path: A file that states its place in one way only, or in two that agree.
        voxel: Indices, whole or not.
    """
    by_nibabel = nib.affines.apply_affine(load_image(path).affine, voxel)
    image = SimpleITK.ReadImage(path)
    point = point_by_itk(image, [float(v) for v in voxel])
    np.testing.assert_allclose(point, by_nibabel, atol=1e-3)
    return np.asarray(by_nibabel)


def point_by_itk(image: Any, voxel: Sequence[float]) -> np.ndarray:
    """RAS mm of a place in ITK's image; its methods are untyped, which ends here."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint(list(voxel))) * [-1, -1, 1]


def origin_by_itk(path: Path) -> tuple[float, ...]:
    """LPS mm of the first voxel."""
    image: Any = SimpleITK.ReadImage(path)
    return tuple(image.GetOrigin())


def spacing_by_itk(path: Path) -> tuple[float, ...]:
    """Voxel sizes in mm."""
    image: Any = SimpleITK.ReadImage(path)
    return tuple(image.GetSpacing())


def directions_by_itk(path: Path) -> np.ndarray:
    """float64 `[3, 3]`: columns are voxel axes in LPS."""
    image: Any = SimpleITK.ReadImage(path)
    return np.array(image.GetDirection()).reshape(3, 3)

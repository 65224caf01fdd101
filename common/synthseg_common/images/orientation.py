"""Volumes turned so that their axes run right, anterior, superior."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from synthseg_common.arrays import AnyArray, Float64Array


def to_ras(values: AnyArray, affine: AnyArray) -> tuple[AnyArray, Float64Array]:
    """A view of a volume whose axes are those closest to right, anterior and superior.

    Args:
        values: `[x, y, z, ...]`.
        affine: float64 `[4, 4]`, voxel indices to mm in RAS.

    Returns:
        The view and its affine.
    """
    axes = nib.orientations.io_orientation(affine)
    turned = nib.orientations.apply_orientation(values, axes)
    return turned, affine @ nib.orientations.inv_ornt_aff(axes, values.shape[:3])


def axes_in_ras(affine: AnyArray) -> list[int]:
    """For right, anterior and superior the voxel axis that runs closest to it."""
    axes = nib.orientations.io_orientation(affine)
    return [int(np.flatnonzero(axes[:, 0] == world)[0]) for world in range(3)]

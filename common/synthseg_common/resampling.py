"""When and where a scan is sampled anew for a network, exactly as the original does it.

Smoothed where voxels grow, linear between voxel centres, constant beyond them.
"""

from __future__ import annotations

import numpy as np

from synthseg_common.arrays import AnyArray, Float64Array

TOLERANCE = 0.05
"""Scans whose voxel size is this close to the target, as a share of it, stay on their grid."""
ANTIALIAS = 0.25
"""Width of the smoothing before voxels grow, in units of the new voxel size."""
# Headers hold 32-bit numbers; those nearest to 0.95 and 1.05 lie just below: as in the original,
# the first is resampled and the second is not, however the affine was rounded.
_ROUNDING_MM = 1e-6


def stays_on_grid(sizes_mm: AnyArray, target_mm: float) -> bool:
    """Whether every voxel size is so close to the target that a scan is not sampled anew."""
    off = (sizes_mm - target_mm - _ROUNDING_MM) / target_mm
    return bool(np.all((off > -TOLERANCE) & (off <= TOLERANCE)))


def new_centres(factor: float, size: int) -> Float64Array:
    """float64: where the new voxels' centres lie on the old grid, in old voxels.

    Written as the original does it: rounding makes it one voxel longer now and then, and sizes must
    agree.

    Args:
        factor: Old voxel size over the new one.
        size: Voxels of the old grid along the axis.
    """
    start = -(factor - 1) / (2 * factor)
    step = 1 / factor
    return np.arange(start, start + step * np.ceil(size * factor), step)

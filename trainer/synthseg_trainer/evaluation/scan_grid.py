"""A scan on the grid that a network was trained on: voxels of its size, axes right, anterior, up.

Sampled anew as the client does it.
"""

from __future__ import annotations

import numpy as np
from nibabel.affines import voxel_sizes
from synthseg_common.arrays import FloatArray
from synthseg_common.processing import VOXEL_MM
from synthseg_common.resampling import ANTIALIAS, new_centres, stays_on_grid

from synthseg_trainer.evaluation.image_files import PlacedImage


def on_network_grid(scan: PlacedImage, voxel_mm: float = VOXEL_MM) -> PlacedImage:
    """Resamples a scan where it needs it, and turns it to RAS.

    Args:
        scan: float32 `[x, y, z]`, any orientation and voxel size.
        voxel_mm: Voxel size of the network.

    Returns:
        float32 `[x, y, z]`.
    """
    sizes = voxel_sizes(scan.affine)
    if stays_on_grid(sizes, voxel_mm):
        return scan.to_ras()
    factors = sizes / voxel_mm
    values = scan.values
    for axis, factor in enumerate(factors):
        values = _resample_axis(values, axis, float(factor))
    affine = scan.affine.copy()
    affine[:3, :3] /= factors
    affine[:3, 3] -= affine[:3, :3] @ (0.5 * (factors - 1))
    return PlacedImage(values, affine).to_ras()


def _resample_axis(values: FloatArray, axis: int, factor: float) -> FloatArray:
    """Resamples along one axis; `factor` is old voxel size over new."""
    from scipy.ndimage import gaussian_filter1d

    size = values.shape[axis]
    if factor <= 1:
        # Also an axis that keeps its size, as in the original.
        values = gaussian_filter1d(values, ANTIALIAS / factor, axis)
    positions = new_centres(factor, size).clip(0, size - 1)
    low = np.minimum(positions.astype(int), max(size - 2, 0))
    high = np.minimum(low + 1, size - 1)
    weight = (positions - low).astype(np.float32)
    weight = weight.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    below, above = (np.take(values, index, axis) for index in (low, high))
    between: FloatArray = below + (above - below) * weight
    return between

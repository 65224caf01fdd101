"""A scan as thick slices of one plane, which a client then has to resample by itself."""

from __future__ import annotations

import math

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis across each plane's slices, where axes run right, anterior, superior."""
_SIGMAS_PER_FWHM = 2 * math.sqrt(2 * math.log(2))


def thickened(scan: nib.spatialimages.SpatialImage, plane: str, slice_mm: float) -> nib.Nifti1Image:
    """The scan as slices without gaps, each as thick as they are apart.

    The slice profile is a Gaussian that is `slice_mm` wide at half its height.

    Args:
        scan: A volume in any orientation.
        plane: One of `PLANES`.
        slice_mm: Thickness; at most that of its voxels leaves the scan as it is.

    Returns:
        float32, axes right, anterior, superior, in the place of the scan.
    """
    image = nib.as_closest_canonical(scan)
    axis = PLANES[plane]
    ratio = slice_mm / float(nib.affines.voxel_sizes(image.affine)[axis])
    voxels = np.asarray(image.dataobj, np.float32)
    if ratio <= 1:
        return nib.Nifti1Image(voxels, image.affine)
    step = np.diag(np.where(np.arange(4) == axis, ratio, 1.0))
    step[axis, 3] = (ratio - 1) / 2
    return nib.Nifti1Image(thick_slices(voxels, axis, ratio), image.affine @ step)


def thick_slices(voxels: NDArray[np.float32], axis: int, ratio: float) -> NDArray[np.float32]:
    """Every `ratio`-th place along an axis, blurred to this width; the last may reach beyond."""
    blurred = ndimage.gaussian_filter1d(voxels, ratio / _SIGMAS_PER_FWHM, axis, mode="nearest")
    last = voxels.shape[axis] - 1
    places = np.arange(math.ceil(voxels.shape[axis] / ratio)) * ratio + (ratio - 1) / 2
    below = np.floor(places).astype(int)
    weight = (places - below).reshape([-1 if i == axis else 1 for i in range(voxels.ndim)])
    first, second = (blurred.take(np.minimum(at, last), axis) for at in (below, below + 1))
    mixed: NDArray[np.float32] = (first + weight * (second - first)).astype(np.float32)
    return mixed

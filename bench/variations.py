"""One scan as it might have been taken again: shifted, turned, noisier, shaded."""

from __future__ import annotations

from collections.abc import Callable

import nibabel as nib
import numpy as np
from scipy import ndimage

_TURN_DEG = 10
_NOISE = 0.03  # of the 99th percentile
_SHADE = 0.3  # the brightest corner against the middle


def _shifted(image: np.ndarray) -> np.ndarray:
    """By half a voxel along every axis."""
    return ndimage.shift(image, 0.5, order=3, mode="nearest")


def _turned(image: np.ndarray) -> np.ndarray:
    """By 10 degrees in the plane of the first two axes, about the middle."""
    return ndimage.rotate(image, _TURN_DEG, reshape=False, order=3, mode="nearest")


def _noisy(image: np.ndarray) -> np.ndarray:
    """With the noise of a magnitude image."""
    sigma = _NOISE * np.percentile(image, 99)
    real, imaginary = np.random.default_rng(0).normal(0, sigma, (2, *image.shape))
    return np.hypot(image + real, imaginary)


def _shaded(image: np.ndarray) -> np.ndarray:
    """Brighter towards one corner and darker towards the other, as near a coil."""
    ramps = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij", sparse=True)
    return image * np.exp(np.log1p(_SHADE) * sum(ramps) / len(ramps))


VARIATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda image: image,
    "half a voxel on": _shifted,
    f"turned by {_TURN_DEG} degrees": _turned,
    "with noise": _noisy,
    "with a bias field": _shaded,
}


def varied(scan: nib.spatialimages.SpatialImage, name: str) -> nib.Nifti1Image:
    """The scan on its own grid, changed as `VARIATIONS[name]` says; voxels stay positive."""
    image = VARIATIONS[name](np.asarray(scan.dataobj, np.float32))
    return nib.Nifti1Image(np.maximum(image, 0).astype(np.float32), scan.affine)

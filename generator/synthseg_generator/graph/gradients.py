"""The size of an image's gradient, by Sobel's filters. Arithmetic runs on any Keras backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from synthseg_generator.arrays import Floats
from synthseg_generator.graph.interpolation import enlarge

Tensor = Any

# The official layer cuts gradients here before it normalises them.
GRADIENT_CLIP = 10.0


def measure_gradient(image: Tensor) -> Tensor:
    """Length of the gradient, smoothed across each axis; zeros are seen outside the volume.

    Args:
        image: float32 `[x, y, z, channel]` of known shape.

    Returns:
        float32 `[x, y, z, channel]`, in units of `image` times 32 per voxel.
    """
    sides = [int(side) for side in image.shape[:3]]
    smoothing = [_band(side, (1.0, 2.0, 1.0)) for side in sides]
    slope = [_band(side, (-1.0, 0.0, 1.0)) for side in sides]
    total: Tensor = 0.0
    for axis in range(3):
        weights = [slope[a] if a == axis else smoothing[a] for a in range(3)]
        total = total + ops.square(enlarge(image, weights))
    return ops.sqrt(total)


def _band(side: int, kernel: tuple[float, float, float]) -> Floats:
    """Matrix that applies a filter of three weights along an axis of this length."""
    before, here, after = kernel
    band: Floats = (
        before * np.eye(side, k=-1, dtype=np.float32)
        + here * np.eye(side, dtype=np.float32)
        + after * np.eye(side, k=1, dtype=np.float32)
    )
    return band

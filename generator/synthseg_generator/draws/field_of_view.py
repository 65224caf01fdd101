"""Draws of the part of a crop that was scanned. NumPy alone."""

from __future__ import annotations

import numpy as np
from synthseg_common.arrays import Float32Array

from synthseg_generator.draws.shape import draw_uniform
from synthseg_generator.settings.coverage import FieldOfView
from synthseg_generator.settings.ranges import AXES


def draw_field_of_view(config: FieldOfView, rng: np.random.Generator) -> Float32Array:
    """Draws where the scan begins and ends along each axis, as shares of the crop.

    Returns:
        float32 `[3, 2]`; 0 and 1 for the whole.
    """
    present = rng.random() < config.probability
    axis, side = rng.integers(AXES), rng.integers(3)
    fraction = draw_uniform(config.fraction, rng)
    # The far end is missing, or the near one, or both.
    first = (0.0, 1.0, rng.random())[side] * (1 - fraction)
    shares = np.tile(np.array([0, 1], np.float32), (AXES, 1))
    if present:
        shares[axis] = first, first + fraction
    return shares

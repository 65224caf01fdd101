"""Draws of how structures swell or shrink, and how far around a sample that looks. NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from synthseg_common.arrays import Float32Array

from synthseg_generator.draws.shape import draw_uniform
from synthseg_generator.settings.anatomy import Growth

# Edge of the cells that growth is computed on, per reach: what such cells smooth can still be made
# up for by a narrower Gaussian.
_CELL_PER_REACH = 0.75
_WINDOW_SIGMAS = 3.0
# Differences of neighbouring cells exceed those of the wide Gaussian by at most this factor.
_LONGEST = 1.5


class GrowthReach(NamedTuple):
    """How far growth looks beyond what a sample shows.

    Attributes:
        nodes: Voxels of the warped map beyond the crop at which it is evaluated.
        around: Voxels of the map that it looks at around a place, or moves it by.
    """

    nodes: float
    around: float


def draw_growth(config: Sequence[Growth], rng: np.random.Generator) -> Float32Array:
    """Draws the distance of every growth: float32 `[growth]`, mm, 0 where there is none."""
    return np.array(
        [
            (rng.random() < growth.probability) * draw_uniform(growth.distance_mm, rng)
            for growth in config
        ],
        np.float32,
    )


def find_growth_cell(config: Sequence[Growth], voxel_size_mm: float) -> int:
    """Edge of the cells that growth is computed on, in voxels of the map."""
    shortest = min(growth.reach_mm for growth in config)
    return max(1, round(_CELL_PER_REACH * shortest / voxel_size_mm))


def find_window(sigma_cells: float) -> int:
    """Cells that the Gaussian of growth reaches to either side, where it is cut off."""
    return math.ceil(_WINDOW_SIGMAS * sigma_cells)


def measure_growth_reach(
    config: Sequence[Growth], growth_mm: Float32Array, voxel_size_mm: float
) -> GrowthReach:
    """How far the growth of a sample looks; nowhere where nothing grows.

    Args:
        config: The growths.
        growth_mm: float32 `[growth]`, what was drawn.
        voxel_size_mm: Voxel size of the label map.
    """
    if not growth_mm.any():
        return GrowthReach(0.0, 0.0)
    reaches_mm = [growth.reach_mm for growth in config]
    # A label grows by one distance: at a wall with one that shrinks by another, both add up.
    longest_mm = sum(
        max(0.0, *growth_mm[mask]) - min(0.0, *growth_mm[mask])
        for mask in (np.array(reaches_mm) == reach for reach in set(reaches_mm))
    )
    cell = find_growth_cell(config, voxel_size_mm)
    window = find_window(max(reaches_mm) / voxel_size_mm / cell)
    # Interpolation and differences look at two cells more, and each cell must be there whole.
    looks = (window + 2.5) * cell
    return GrowthReach(
        min(reaches_mm) / voxel_size_mm, max(_LONGEST * longest_mm / voxel_size_mm, looks)
    )

"""Draws of lesions: a coarse random field, how high its peaks must be, and their Gaussian.

NumPy alone; nothing here knows of images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthseg_generator.arrays import Row
from synthseg_generator.draws.intensity import draw_prior
from synthseg_generator.draws.shape import draw_uniform
from synthseg_generator.settings.anatomy import Lesions
from synthseg_generator.settings.ranges import Shape, coarsen_shape


def find_lesion_shape(config: Lesions, region: Sequence[int], voxel_size_mm: float) -> Shape:
    """Nodes of the random field over so many voxels of the map."""
    return coarsen_shape(region, min(1.0, voxel_size_mm / config.size_mm))


def draw_lesions(
    config: Lesions, nodes: Sequence[int], n_channels: int, rng: np.random.Generator
) -> Row:
    """Draws lesions, or their absence.

    Args:
        config: The lesions.
        nodes: Nodes of the random field along x, y, z.
        n_channels: How many channels.
        rng: Source of the draws.

    Returns:
        The parameters `lesion_...` of a sample, see `SampleParameters`.
    """
    present = rng.random() < config.probability
    threshold = draw_uniform(config.threshold, rng)
    means, stds = (
        np.array([draw_prior(prior, 1, rng)[0] for _ in range(n_channels)])
        for prior in (config.means, config.stds)
    )
    field = rng.standard_normal(tuple(nodes)) * present
    return {
        "lesion_nodes": field.astype(np.float32),
        "lesion_threshold": np.float32(threshold if present else np.inf),
        "lesion_means": np.maximum(means, 0).astype(np.float32),
        "lesion_stds": np.maximum(stds, 0).astype(np.float32),
    }

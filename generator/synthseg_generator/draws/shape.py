"""Draws of how the label map is deformed: affine map and velocity.

NumPy alone; nothing here knows of images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthseg_generator.arrays import Doubles, Floats
from synthseg_generator.settings.ranges import Shape, Uniform, coarsen_shape
from synthseg_generator.settings.shape import Affine, Elastic


def draw_uniform(interval: Uniform, rng: np.random.Generator) -> float:
    """Draws a value of an interval."""
    return rng.uniform(interval.low, interval.high)


def draw_affine(config: Affine, rng: np.random.Generator) -> Doubles:
    """Draws a linear deformation about the centre.

    Returns:
        float64 `[3, 4]`: scaling after shearing after rotation, then the translation in voxels.
    """
    rotation = [draw_uniform(interval, rng) for interval in config.rotation_deg]
    scaling = [draw_uniform(interval, rng) for interval in config.scaling]
    shearing = [draw_uniform(interval, rng) for interval in config.shearing]
    translation = [draw_uniform(interval, rng) for interval in config.translation]
    return compose_affine(rotation, scaling, shearing, translation)


def compose_affine(
    rotation_deg: Sequence[float],
    scaling: Sequence[float],
    shearing: Sequence[float],
    translation: Sequence[float],
) -> Doubles:
    """Composes scaling after shearing after the rotations, as the official model does.

    Args:
        rotation_deg: Angles about x, y, z.
        scaling: Factors along x, y, z.
        shearing: Off-diagonal terms (0,1), (0,2), (1,0), (1,2), (2,0), (2,1).
        translation: Voxels along x, y, z.

    Returns:
        float64 `[3, 4]`.
    """
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(rotation_deg)), np.sin(np.deg2rad(rotation_deg))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    shear = np.eye(3)
    shear[[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]] = shearing
    linear = np.diag(scaling) @ shear @ about_x @ about_y @ about_z
    return np.concatenate([linear, np.array(translation, float)[:, None]], axis=1)


def find_velocity_shape(config: Elastic, map_shape: Sequence[int]) -> Shape:
    """Nodes of the velocity grid for a map of this shape."""
    return coarsen_shape(map_shape, config.scale)


def draw_velocity(config: Elastic, map_shape: Sequence[int], rng: np.random.Generator) -> Floats:
    """Draws the coarse velocity field of the elastic warp.

    Returns:
        float32 `[i, j, k, 3]`, in voxels of half the map's resolution.
    """
    strength = draw_uniform(config.strength, rng)
    nodes = find_velocity_shape(config, map_shape)
    return (strength * rng.standard_normal((*nodes, 3))).astype(np.float32)

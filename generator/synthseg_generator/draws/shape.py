"""Draws of what happens to the label map: affine map, velocity, place of the crop.

NumPy alone; nothing here knows of images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthseg_generator.draws.crop import MapGeometry, crop_geometry
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import Shape, Uniform, coarse_shape
from synthseg_generator.settings.shape import Affine, Crop, Elastic


def draw_uniform(interval: Uniform, rng: np.random.Generator) -> float:
    """Draws a value of an interval."""
    return rng.uniform(interval.low, interval.high)


def draw_affine(config: Affine, rng: np.random.Generator) -> np.ndarray:
    """Draws a linear deformation about the centre.

    Returns:
        float64 `[3, 4]`: scaling after shearing after rotation, then the translation in voxels.
    """
    rotation = [draw_uniform(interval, rng) for interval in config.rotation_deg]
    scaling = [draw_uniform(interval, rng) for interval in config.scaling]
    shearing = [draw_uniform(interval, rng) for interval in config.shearing]
    translation = [draw_uniform(interval, rng) for interval in config.translation]
    return affine_matrix(rotation, scaling, shearing, translation)


def affine_matrix(
    rotation_deg: Sequence[float],
    scaling: Sequence[float],
    shearing: Sequence[float],
    translation: Sequence[float],
) -> np.ndarray:
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


def velocity_shape(config: Elastic, map_shape: Sequence[int]) -> Shape:
    """Nodes of the velocity grid for a map of this shape."""
    return coarse_shape(map_shape, config.scale)


def draw_velocity(
    config: Elastic, map_shape: Sequence[int], rng: np.random.Generator
) -> np.ndarray:
    """Draws the coarse velocity field of the elastic warp.

    Returns:
        float32 `[i, j, k, 3]`, in voxels of half the map's resolution.
    """
    strength = draw_uniform(config.strength, rng)
    nodes = velocity_shape(config, map_shape)
    return (strength * rng.standard_normal((*nodes, 3))).astype(np.float32)


def draw_crop(
    config: Crop, geometry: MapGeometry, matrix: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draws where the crop begins in the warped map.

    As in the original, the last place that would fit is never drawn.

    Returns:
        int32 `[3]`, voxels.

    Raises:
        ConfigError: The crop is larger than the map.
    """
    region = crop_geometry(config, geometry.shape, geometry.voxel_size_mm).region
    shape, crop = np.array(geometry.shape), np.array(region)
    if np.any(crop > shape):
        of_map = "" if region == config.shape else f" (that is {region} of its voxels)"
        raise ConfigError(
            f"crop.shape {config.shape}{of_map} is larger than the label map's {geometry.shape}."
        )
    draws = rng.random(3)
    if config.placement == "uniform":
        return np.floor(draws * (shape - crop)).astype(np.int32)
    middle = (shape - 1) / 2
    centre = middle if geometry.centre is None else np.array(geometry.centre)
    # The warp looks up `middle + A (p - middle) + t`: solve for the p that shows the structures'
    # centre.
    place = middle + np.linalg.solve(matrix[:, :3], centre - middle - matrix[:, 3])
    start = place - (crop - 1) / 2 + config.jitter * (2 * draws - 1)
    return np.clip(np.rint(start), 0, shape - crop).astype(np.int32)

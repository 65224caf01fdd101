"""One row of parameters per sample, drawn from (settings, seed, k) with NumPy alone.

The draws follow the official order and distributions (Billot et al. 2023); nothing here knows of
images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from synthseg_generator.config import (
    Acquisition,
    Affine,
    Crop,
    GeneratorSettings,
    Mixture,
    Prior,
    Uniform,
)
from synthseg_generator.errors import ConfigError
from synthseg_generator.labels import GenerationLabels

# Background of the released models (official source, model_inputs.py): 5 % black, 25 % dark, else
# like any class.
_BLACK_BACKGROUND = 0.95
_DARK_BACKGROUND = 0.7
_DARK_MEAN = 15.0
_DARK_STD = 5.0


@dataclass(frozen=True)
class MapGeometry:
    """What a draw needs to know of a label map.

    Attributes:
        shape: Voxels along x, y, z.
        centre: Centre of the structures in voxels; `None` stands for the middle of the map.
    """

    shape: tuple[int, int, int]
    centre: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class SampleParameters:
    """Everything random about one sample, except voxel noise, which `noise_seed` names.

    Attributes:
        map_index: int32 scalar, the label map.
        map_shape: int32 `[3]`, its voxels.
        matrix: float32 `[3, 4]`, affine map about the centre; translation in voxels.
        velocity: float32 `[i, j, k, 3]`, velocity at the coarse nodes, in half-resolution voxels.
        crop_start: int32 `[3]`, first voxel of the crop in the warped map.
        flip: bool scalar, exchange left and right.
        means: float32 `[label, channel]`, in the order of the label table.
        stds: float32 `[label, channel]`.
        log_bias: float32 `[i, j, k, channel]`, log of the brightness field at its nodes.
        gamma: float32 `[channel]`, exponent on normalised intensities.
        spacing_mm: float32 `[channel, 3]`, distance between acquired voxels.
        thickness_mm: float32 `[channel, 3]`, extent of acquired voxels.
        blur_factor: float32 `[channel, 3]`, multiplies the blur width.
        noise_seed: int32 `[2]`, key of the voxel noise.
    """

    map_index: np.ndarray
    map_shape: np.ndarray
    matrix: np.ndarray
    velocity: np.ndarray
    crop_start: np.ndarray
    flip: np.ndarray
    means: np.ndarray
    stds: np.ndarray
    log_bias: np.ndarray
    gamma: np.ndarray
    spacing_mm: np.ndarray
    thickness_mm: np.ndarray
    blur_factor: np.ndarray
    noise_seed: np.ndarray

    def to_row(self) -> dict[str, np.ndarray]:
        """The parameters by name, as a plan or a graph takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_row(cls, row: dict[str, np.ndarray]) -> SampleParameters:
        """The way back of `to_row`."""
        return cls(**{f.name: row[f.name] for f in fields(cls)})


def draw_sample(
    settings: GeneratorSettings,
    labels: GenerationLabels,
    maps: Sequence[MapGeometry],
    seed: int,
    k: int,
) -> SampleParameters:
    """Draws sample `k`: the same whoever asks, in whatever order.

    Args:
        settings: The generative model.
        labels: Table of the label maps.
        maps: Geometry of every label map, in the order of the store.
        seed: Names the stream of samples, at least 0.
        k: Number of the sample in the stream, at least 0.

    Raises:
        ConfigError: The crop is larger than the map, or a prior's rows do not match the classes.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, k]))
    map_index = int(rng.integers(len(maps)))
    geometry = maps[map_index]
    matrix = draw_affine(settings.affine, rng)
    velocity = draw_velocity(settings, geometry.shape, rng)
    crop_start = draw_crop(settings.crop, geometry, matrix, rng)
    flip = rng.random() < settings.flip_probability
    means, stds = draw_mixture(settings.mixture, labels, settings.n_channels, rng)
    channels = range(settings.n_channels)
    log_bias = np.stack([draw_bias_field(settings, rng) for _ in channels], axis=-1)
    gamma = np.exp(rng.normal(0.0, settings.gamma_std, settings.n_channels))
    resolutions = [draw_resolution(settings.acquisition, rng) for _ in channels]
    jitter = settings.acquisition.blur_jitter
    return SampleParameters(
        map_index=np.int32(map_index),  # type: ignore[arg-type]
        map_shape=np.array(geometry.shape, np.int32),
        matrix=matrix.astype(np.float32),
        velocity=velocity,
        crop_start=crop_start,
        flip=np.bool_(flip),  # type: ignore[arg-type]
        means=means.astype(np.float32),
        stds=stds.astype(np.float32),
        log_bias=log_bias.astype(np.float32),
        gamma=gamma.astype(np.float32),
        spacing_mm=np.array([spacing for spacing, _ in resolutions], np.float32),
        thickness_mm=np.array([thickness for _, thickness in resolutions], np.float32),
        blur_factor=rng.uniform(1 / jitter, jitter, (settings.n_channels, 3)).astype(np.float32),
        noise_seed=rng.integers(0, 2**31, 2, dtype=np.int32),
    )


def _draw(interval: Uniform, rng: np.random.Generator) -> float:
    return rng.uniform(interval.low, interval.high)


def draw_affine(config: Affine, rng: np.random.Generator) -> np.ndarray:
    """Draws a linear deformation about the centre.

    Returns:
        float64 `[3, 4]`: scaling after shearing after rotation, then the translation in voxels.
    """
    rotation = [_draw(interval, rng) for interval in config.rotation_deg]
    scaling = [_draw(interval, rng) for interval in config.scaling]
    shearing = [_draw(config.shearing, rng) for _ in range(6)]
    translation = [_draw(interval, rng) for interval in config.translation]
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


def velocity_shape(settings: GeneratorSettings, map_shape: Sequence[int]) -> tuple[int, int, int]:
    """Nodes of the velocity grid for a map of this shape."""
    x, y, z = (math.ceil(side * settings.elastic.scale) for side in map_shape)
    return (x, y, z)


def draw_velocity(
    settings: GeneratorSettings, map_shape: Sequence[int], rng: np.random.Generator
) -> np.ndarray:
    """Draws the coarse velocity field of the elastic warp.

    Returns:
        float32 `[i, j, k, 3]`, in voxels of half the map's resolution.
    """
    strength = _draw(settings.elastic.strength, rng)
    nodes = velocity_shape(settings, map_shape)
    return (strength * rng.standard_normal((*nodes, 3))).astype(np.float32)


def draw_crop(
    config: Crop, geometry: MapGeometry, matrix: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draws where the crop begins in the warped map.

    Returns:
        int32 `[3]`, voxels.

    Raises:
        ConfigError: The crop is larger than the map.
    """
    shape, crop = np.array(geometry.shape), np.array(config.shape)
    if np.any(crop > shape):
        raise ConfigError(
            f"crop.shape {config.shape} is larger than the label map's {geometry.shape}."
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


def draw_mixture(
    config: Mixture, labels: GenerationLabels, n_channels: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the Gaussian of every label, channel by channel; labels of one class share theirs.

    Returns:
        Means and standard deviations, float64 `[label, channel]`, at least 0.

    Raises:
        ConfigError: A prior has neither one row nor one per class.
    """
    columns = [_draw_channel(config, labels, rng) for _ in range(n_channels)]
    classes = np.array(labels.classes)
    means, stds = (np.stack(column, axis=-1)[classes] for column in zip(*columns, strict=True))
    return means, stds


def _draw_channel(
    config: Mixture, labels: GenerationLabels, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    known = bool(config.specific_means) and rng.random() < config.specific_probability
    contrast = int(rng.integers(len(config.specific_means))) if known else 0
    means = _draw_prior(
        config.specific_means[contrast] if known else config.means, labels.n_classes, rng
    )
    stds = _draw_prior(
        config.specific_stds[contrast] if known else config.stds, labels.n_classes, rng
    )
    means, stds = np.maximum(means, 0), np.maximum(stds, 0)
    background = rng.random()
    if background > _BLACK_BACKGROUND:
        means[0] = stds[0] = 0.0
    elif background > _DARK_BACKGROUND:
        means[0], stds[0] = rng.uniform(0, _DARK_MEAN), rng.uniform(0, _DARK_STD)
    return means, stds


def _draw_prior(prior: Prior, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    if len(prior.rows) not in (1, n_classes):
        raise ConfigError(
            f"a prior has {len(prior.rows)} rows, expected 1 or one per class, that is {n_classes}."
        )
    first, second = np.broadcast_to(np.array(prior.rows, float), (n_classes, 2)).T
    return (
        rng.uniform(first, second) if prior.distribution == "uniform" else rng.normal(first, second)
    )


def bias_shape(settings: GeneratorSettings) -> tuple[int, int, int]:
    """Nodes of the bias field."""
    x, y, z = (math.ceil(side * settings.bias_field.scale) for side in settings.crop.shape)
    return (x, y, z)


def draw_bias_field(settings: GeneratorSettings, rng: np.random.Generator) -> np.ndarray:
    """Draws the coarse grid of a smooth brightness field; all zero when the channel has none.

    Returns:
        float32 `[i, j, k]`, the log of the field at the nodes, unitless.
    """
    present = rng.random() < settings.bias_field.probability
    strength = _draw(settings.bias_field.strength, rng) * present
    return (strength * rng.standard_normal(bias_shape(settings))).astype(np.float32)


def draw_resolution(
    config: Acquisition, rng: np.random.Generator, native_mm: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws slice spacing and slice thickness.

    Args:
        config: The simulated scanner.
        rng: Source of the draws.
        native_mm: Spacing of the label map, the finest possible.

    Returns:
        Spacing and thickness in mm, float64 `[3]` each.
    """
    isotropic = rng.random() < config.isotropic_probability
    native = rng.random() < config.native_probability
    spacing = np.full(3, native_mm)
    if isotropic:
        spacing = rng.uniform(native_mm, max(native_mm, config.max_isotropic_mm), 3)
    else:
        spacing[rng.integers(3)] = rng.uniform(native_mm, max(native_mm, config.max_anisotropic_mm))
    if native:
        spacing = np.full(3, native_mm)
    return spacing, rng.uniform(native_mm, spacing)

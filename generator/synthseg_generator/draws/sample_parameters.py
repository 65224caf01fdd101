"""One row of parameters per sample, drawn from (settings, seed, k) with NumPy alone.

The draws follow the official order and distributions (Billot et al. 2023); nothing here knows of
images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from synthseg_common.labels import GenerationLabels

from synthseg_generator.arrays import Floats, Int32s, Row
from synthseg_generator.draws.acquisition import draw_resolutions
from synthseg_generator.draws.crop import draw_crop, measure_crop
from synthseg_generator.draws.intensity import draw_bias_field, draw_mixture
from synthseg_generator.draws.shape import draw_affine, draw_velocity
from synthseg_generator.errors import ConfigError
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import GeneratorSettings

__all__ = ["SampleParameters", "draw_sample"]

# Key of the stream that weighted maps are drawn from. Draws that came later have streams of their
# own, so that samples of settings without them stay the same.
_WEIGHTED_MAPS = 1


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

    map_index: np.int32
    map_shape: Int32s
    matrix: Floats
    velocity: Floats
    crop_start: Int32s
    flip: np.bool_
    means: Floats
    stds: Floats
    log_bias: Floats
    gamma: Floats
    spacing_mm: Floats
    thickness_mm: Floats
    blur_factor: Floats
    noise_seed: Int32s

    def to_row(self) -> Row:
        """The parameters by name, as a plan or a graph takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_row(cls, row: Row) -> SampleParameters:
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
        ConfigError: The settings do not fit the labels or the maps; the message names the setting.
    """
    labels = settings.labels.apply(labels)
    rng = np.random.default_rng(np.random.SeedSequence([seed, k]))
    map_index = _draw_map(maps, seed, k, rng)
    geometry = maps[map_index]
    native_mm = geometry.voxel_size_mm
    region = measure_crop(settings.crop, geometry.shape, native_mm).region
    channels = settings.n_channels
    matrix = draw_affine(settings.affine, rng)
    velocity = draw_velocity(settings.elastic, geometry.shape, rng)
    crop_start = draw_crop(settings.crop, geometry, matrix, rng)
    flip = rng.random() < settings.flip_probability
    means, stds = draw_mixture(settings.mixture, labels, channels, rng)
    log_bias = [draw_bias_field(settings.bias_field, region, rng) for _ in range(channels)]
    gamma = np.exp(rng.normal(0.0, settings.gamma_std, channels))
    spacing, thickness = draw_resolutions(settings.acquisition, channels, rng, native_mm)
    jitter = settings.acquisition.blur_jitter
    return SampleParameters(
        map_index=np.int32(map_index),
        map_shape=np.array(geometry.shape, np.int32),
        matrix=matrix.astype(np.float32),
        velocity=velocity,
        crop_start=crop_start,
        flip=np.bool_(flip),
        means=means.astype(np.float32),
        stds=stds.astype(np.float32),
        log_bias=np.stack(log_bias, axis=-1).astype(np.float32),
        gamma=gamma.astype(np.float32),
        spacing_mm=spacing.astype(np.float32),
        thickness_mm=thickness.astype(np.float32),
        blur_factor=rng.uniform(1 / jitter, jitter, (channels, 3)).astype(np.float32),
        noise_seed=rng.integers(0, 2**31, 2, dtype=np.int32),
    )


def _draw_map(maps: Sequence[MapGeometry], seed: int, k: int, rng: np.random.Generator) -> int:
    """Which map: any alike, or by weight."""
    evenly = int(rng.integers(len(maps)))
    weights = np.array([geometry.weight for geometry in maps])
    if not weights.any():
        raise ConfigError("map_weights: every map has weight 0, none is left to draw.")
    if np.all(weights == weights[0]):
        return evenly
    own = np.random.default_rng(np.random.SeedSequence([seed, k], spawn_key=(_WEIGHTED_MAPS,)))
    return int(own.choice(len(maps), p=weights / weights.sum()))

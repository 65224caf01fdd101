"""One row of parameters per sample, drawn from (settings, seed, k) with NumPy alone.

The draws follow the official order and distributions (Billot et al. 2023); nothing here knows of
images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields

import numpy as np
from synthseg_common.arrays import Float32Array, Int32Array
from synthseg_common.labels import GenerationLabels

from synthseg_generator.arrays import Row
from synthseg_generator.draws.acquisition import draw_resolutions
from synthseg_generator.draws.crop import draw_crop, measure_crop
from synthseg_generator.draws.field_of_view import draw_field_of_view
from synthseg_generator.draws.growth import draw_growth
from synthseg_generator.draws.intensity import draw_bias_field, draw_mixture
from synthseg_generator.draws.lesions import draw_lesions, find_lesion_shape
from synthseg_generator.draws.shape import draw_affine, draw_velocity
from synthseg_generator.draws.stripping import draw_stripped
from synthseg_generator.errors import ConfigError
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.settings.labels import find_label_indices

__all__ = ["SampleParameters", "check_anatomy", "draw_sample"]

# Keys of streams. Draws that came later have streams of their own, so that samples of settings
# without them stay the same. 2 is that of the noise of augmented scans.
_WEIGHTED_MAPS = 1
_GROWTH = 3
_LESIONS = 4
_STRIPPING = 5
_FIELD_OF_VIEW = 6


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
        growth_mm: float32 `[growth]`, how far each of the growths moves its walls, 0 for none;
            `None`, as all below, where the settings have no such part.
        lesion_nodes: float32 `[i, j, k]`, random field at its nodes, standard normal.
        lesion_threshold: float32 scalar, lesions are where the field is higher; infinite for none.
        lesion_means: float32 `[channel]`.
        lesion_stds: float32 `[channel]`.
        field_of_view: float32 `[3, 2]`, where along each axis the scan begins and ends, as shares
            of the crop.
    """

    map_index: np.int32
    map_shape: Int32Array
    matrix: Float32Array
    velocity: Float32Array
    crop_start: Int32Array
    flip: np.bool_
    means: Float32Array
    stds: Float32Array
    log_bias: Float32Array
    gamma: Float32Array
    spacing_mm: Float32Array
    thickness_mm: Float32Array
    blur_factor: Float32Array
    noise_seed: Int32Array
    growth_mm: Float32Array | None = None
    lesion_nodes: Float32Array | None = None
    lesion_threshold: np.float32 | None = None
    lesion_means: Float32Array | None = None
    lesion_stds: Float32Array | None = None
    field_of_view: Float32Array | None = None

    def to_row(self) -> Row:
        """The parameters by name, as a plan or a graph takes them; without those that are `None`.

        So rows of settings without the parts that came later are what they were before.
        """
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in row.items() if value is not None}

    @classmethod
    def from_row(cls, row: Row) -> SampleParameters:
        """The way back of `to_row`."""
        names = [f.name for f in fields(cls) if f.name in row or f.default is MISSING]
        return cls(**{name: row[name] for name in names})


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
    check_anatomy(settings, labels)
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
    if settings.stripping.probability > 0:
        stripped = draw_stripped(settings.stripping, labels, _own_stream(_STRIPPING, seed, k))
        means[stripped] = stds[stripped] = 0
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
        **_draw_later_parts(settings, region, native_mm, seed, k),
    )


def check_anatomy(settings: GeneratorSettings, labels: GenerationLabels) -> None:
    """Sees that the table has the labels that grow or have lesions.

    Raises:
        ConfigError: It lacks one.
    """
    for growth in settings.growth:
        find_label_indices("growth.labels", growth.labels, labels)
    if settings.lesions.probability > 0:
        find_label_indices("lesions.labels", settings.lesions.labels, labels)


def _draw_later_parts(
    settings: GeneratorSettings, region: Sequence[int], native_mm: float, seed: int, k: int
) -> Row:
    """Parameters of the parts that came later, as far as the settings have them."""
    row: Row = {}
    if settings.growth:
        row["growth_mm"] = draw_growth(settings.growth, _own_stream(_GROWTH, seed, k))
    lesions, view = settings.lesions, settings.field_of_view
    if lesions.probability > 0:
        nodes = find_lesion_shape(lesions, region, native_mm)
        rng = _own_stream(_LESIONS, seed, k)
        row |= draw_lesions(lesions, nodes, settings.n_channels, rng)
    if view.probability > 0:
        row["field_of_view"] = draw_field_of_view(view, _own_stream(_FIELD_OF_VIEW, seed, k))
    return row


def _own_stream(key: int, seed: int, k: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, k], spawn_key=(key,)))


def _draw_map(maps: Sequence[MapGeometry], seed: int, k: int, rng: np.random.Generator) -> int:
    """Which map: any alike, or by weight."""
    evenly = int(rng.integers(len(maps)))
    weights = np.array([geometry.weight for geometry in maps])
    if not weights.any():
        raise ConfigError("map_weights: every map has weight 0, none is left to draw.")
    if np.all(weights == weights[0]):
        return evenly
    own = _own_stream(_WEIGHTED_MAPS, seed, k)
    return int(own.choice(len(maps), p=weights / weights.sum()))

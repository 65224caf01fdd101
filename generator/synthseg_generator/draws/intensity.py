"""Draws of intensities: Gaussians of the classes, bias field. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from synthseg_common.arrays import Float32Array, Float64Array
from synthseg_common.labels import GenerationLabels

from synthseg_generator.draws.shape import draw_uniform
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.intensity import BiasField, Mixture, Prior
from synthseg_generator.settings.ranges import Shape, coarsen_shape

_Contrast = TypeVar("_Contrast")

# Background of the released models (official source, model_inputs.py): 5 % black, 25 % dark, else
# like any class.
_BLACK_BACKGROUND = 0.95
_DARK_BACKGROUND = 0.7
_DARK_MEAN = 15.0
_DARK_STD = 5.0


def draw_mixture(
    config: Mixture, labels: GenerationLabels, n_channels: int, rng: np.random.Generator
) -> tuple[Float64Array, Float64Array]:
    """Draws the Gaussian of every label, channel by channel; labels of one class share theirs.

    Returns:
        Means and standard deviations, float64 `[label, channel]`, at least 0.

    Raises:
        ConfigError: A prior has neither one row nor one per class.
    """
    columns = [_draw_channel(config, labels, channel, rng) for channel in range(n_channels)]
    classes = np.array(labels.classes)
    means, stds = (np.stack(column, axis=-1)[classes] for column in zip(*columns, strict=True))
    return means, stds


def check_priors(config: Mixture, n_classes: int) -> None:
    """Sees that every prior fits the classes, also one that few samples draw from.

    Raises:
        ConfigError: A prior has neither one row nor one per class.
    """
    for name, priors in (
        ("means", (config.means, *config.specific_means)),
        ("stds", (config.stds, *config.specific_stds)),
    ):
        for prior in priors:
            _check_rows(name, prior, n_classes)


def _draw_channel(
    config: Mixture, labels: GenerationLabels, channel: int, rng: np.random.Generator
) -> tuple[Float64Array, Float64Array]:
    of_means, of_stds = _choose_priors(config, channel, rng)
    _check_rows("means", of_means, labels.n_classes)
    means = np.maximum(draw_prior(of_means, labels.n_classes, rng), 0)
    _check_rows("stds", of_stds, labels.n_classes)
    stds = np.maximum(draw_prior(of_stds, labels.n_classes, rng), 0)
    background = rng.random()
    if background > _BLACK_BACKGROUND:
        means[0] = stds[0] = 0.0
    elif background > _DARK_BACKGROUND:
        means[0], stds[0] = rng.uniform(0, _DARK_MEAN), rng.uniform(0, _DARK_STD)
    return means, stds


def _choose_priors(config: Mixture, channel: int, rng: np.random.Generator) -> tuple[Prior, Prior]:
    """The priors of a channel's means and deviations: of one known contrast, of two, or random."""
    if config.specific_pairing == "independent":
        means = _choose(config, config.specific_means, channel, rng)
        stds = _choose(config, config.specific_stds, channel, rng)
        return means or config.means, stds or config.stds
    pairs = tuple(zip(config.specific_means, config.specific_stds, strict=True))
    return _choose(config, pairs, channel, rng) or (config.means, config.stds)


def _choose(
    config: Mixture, contrasts: Sequence[_Contrast], channel: int, rng: np.random.Generator
) -> _Contrast | None:
    """One of the known contrasts, or none for a random one."""
    if not contrasts or rng.random() >= config.specific_probability:
        return None
    by_channel = config.specific_choice == "channel"
    return contrasts[channel if by_channel else int(rng.integers(len(contrasts)))]


def _check_rows(name: str, prior: Prior, n_classes: int) -> None:
    if len(prior.rows) not in (1, n_classes):
        raise ConfigError(
            f"mixture: a prior of the {name} has {len(prior.rows)} rows, expected 1 or one per "
            f"class, that is {n_classes}."
        )


def draw_prior(prior: Prior, n_classes: int, rng: np.random.Generator) -> Float64Array:
    """Draws a number for every class from a prior of one row, or of one per class.

    Returns:
        float64 `[class]`, negative ones too.
    """
    first, second = np.broadcast_to(np.array(prior.rows, float), (n_classes, 2)).T
    draw = rng.uniform if prior.distribution == "uniform" else rng.normal
    values: Float64Array = draw(first, second)
    return values


def find_bias_shape(config: BiasField, region: Sequence[int]) -> Shape:
    """Nodes of the bias field over so many voxels of the map."""
    return coarsen_shape(region, config.scale)


def draw_bias_field(
    config: BiasField, region: Sequence[int], rng: np.random.Generator
) -> Float32Array:
    """Draws the coarse grid of a smooth brightness field; all zero when the channel has none.

    Args:
        config: The field.
        region: Voxels of the map that it covers.
        rng: Source of the draws.

    Returns:
        float32 `[i, j, k]`, the log of the field at the nodes, unitless.
    """
    present = rng.random() < config.probability
    strength = draw_uniform(config.strength, rng) * present
    return (strength * rng.standard_normal(find_bias_shape(config, region))).astype(np.float32)

"""Shapes of the network's variables, without building it. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from synthseg_trainer.aliases import Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names

from synthseg_serving.errors import WeightsError

BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
INSTANCE_NORM = ("gamma", "beta")
NORM_EPSILON = 1e-3
_SHOWN = 5

Merges = Callable[[int], bool]
"""Whether the way up joins what the way down found at a level, 0 the finest."""


def at_every_level(level: int) -> bool:
    """The skip connections of a U-Net."""
    return level >= 0


def variable_shapes(
    network: NetworkSettings, merges: Merges = at_every_level
) -> dict[str, tuple[int, ...]]:
    """Shape of every variable by `<layer>/<variable>`."""
    deepest = network.n_levels - 1
    shapes: dict[str, tuple[int, ...]] = {}
    arriving = network.n_channels * network.stem**3
    for level in range(network.n_levels):
        layers = names.down_convolutions(network, level)
        arriving = _add_level(shapes, network, layers, level, arriving)
        _add_norm(shapes, network, names.down_norm(level), arriving)
    for level in reversed(range(deepest)):
        arriving += network.features_at(level) if merges(level) else 0
        layers = names.up_convolutions(network, level)
        arriving = _add_level(shapes, network, layers, level, arriving)
        _add_norm(shapes, network, names.up_norm(network, level), arriving)
    if network.detail_features:
        _add_detail(shapes, network, arriving)
        arriving += network.detail_features
    answered = network.n_labels * network.stem**3
    shapes[f"{names.LOGITS}/kernel"] = (1, 1, 1, arriving, answered)
    shapes[f"{names.LOGITS}/bias"] = (answered,)
    return shapes


def check_weights(weights: Weights, network: NetworkSettings, source: str) -> None:
    """Refuses weights that are not exactly the network's.

    Args:
        weights: Arrays by `<layer>/<variable>`.
        network: The network that they should fit.
        source: Where they come from, for the message.

    Raises:
        WeightsError: A variable is missing, left over, misshapen or not finite; the message names
            them.
    """
    check_shapes(weights, variable_shapes(network), source)


def check_shapes(weights: Weights, expected: Mapping[str, tuple[int, ...]], source: str) -> None:
    """Refuses weights that have not exactly the shapes expected; see `check_weights`.

    Raises:
        WeightsError: A variable is missing, left over, misshapen or not finite.
    """
    problems = [f"{name} is missing" for name in expected if name not in weights]
    problems += [f"{name} is not in the network" for name in weights if name not in expected]
    for name, shape in expected.items():
        if name not in weights:
            continue
        found = tuple(np.shape(weights[name]))
        if found != shape:
            problems.append(f"{name} has shape {found}, expected {shape}")
        elif not np.isfinite(weights[name]).all():
            problems.append(f"{name} holds values that are not finite")
        elif name.endswith("/moving_variance") and np.min(weights[name]) < 0:
            problems.append(f"{name} holds negative values")
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise WeightsError(
            f"{source}: the weights do not fit the network: {'; '.join(problems[:_SHOWN])}{more}."
        )


def _add_level(
    shapes: dict[str, tuple[int, ...]],
    network: NetworkSettings,
    layers: list[str],
    level: int,
    arriving: int,
) -> int:
    features = network.features_at(level)
    for layer in layers:
        shapes[f"{layer}/kernel"] = (*(network.kernel_size,) * 3, arriving, features)
        shapes[f"{layer}/bias"] = (features,)
        arriving = features
    return arriving


def _add_detail(
    shapes: dict[str, tuple[int, ...]], network: NetworkSettings, arriving: int
) -> None:
    """The convolution of what arrives at the last layer, and the image."""
    arriving += network.n_channels * network.stem**3
    shapes[f"{names.DETAIL}/kernel"] = (
        *(network.kernel_size,) * 3,
        arriving,
        network.detail_features,
    )
    shapes[f"{names.DETAIL}/bias"] = (network.detail_features,)
    _add_norm(shapes, network, names.DETAIL_NORM, network.detail_features)


def _add_norm(
    shapes: dict[str, tuple[int, ...]], network: NetworkSettings, layer: str, features: int
) -> None:
    variables = INSTANCE_NORM if network.normalization == "instance" else BATCH_NORM
    shapes.update({f"{layer}/{name}": (features,) for name in variables})

"""A network's weights as those of a wider one that answers the same.

What the wider network has besides is as it was drawn, and nothing that was there listens to it yet:
the weights from new features to old ones, and to the last layer, are zero. Importing this module
loads no Keras.

References:
    Chen et al. 2016, Net2Net, arXiv:1511.05641: another way, which doubles features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from synthseg_common.arrays import FloatArray

from synthseg_trainer.aliases import Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names

GROWING = ("features", "max_features", "detail_features")
"""What may be larger in the wider network."""


def can_grow(narrow: NetworkSettings, wide: NetworkSettings) -> bool:
    """Whether a network has room for another's weights: only wider, and nowhere narrower."""
    alike = dataclasses.replace(wide, **{name: getattr(narrow, name) for name in GROWING})
    levels = range(narrow.n_levels)
    return (
        alike == narrow
        and narrow.detail_features <= wide.detail_features
        and all(narrow.features_at(level) <= wide.features_at(level) for level in levels)
    )


def grown(
    weights: Weights, narrow: NetworkSettings, drawn: Weights, wide: NetworkSettings
) -> dict[str, FloatArray]:
    """The weights of the wider network.

    Args:
        weights: Those of the narrow one, by `<layer>/<variable>`.
        narrow: Its shape.
        drawn: Weights of the wide one, as they were drawn.
        wide: Its shape, see `can_grow`.

    Returns:
        As `drawn`, with the narrow network's in their places.
    """
    found = {name: value.copy() for name, value in drawn.items()}
    few, many = dict(_inputs(narrow)), dict(_inputs(wide))
    for name, value in weights.items():
        layer, _, variable = name.partition("/")
        if variable == "kernel":
            _put_kernel(found[name], value, few[layer], many[layer])
        else:
            found[name][: len(value)] = value
    return found


def _put_kernel(into: FloatArray, value: FloatArray, few: list[int], many: list[int]) -> None:
    """Puts a kernel in its place in a wider one, of which the old features take nothing new."""
    outputs = value.shape[-1]
    into[..., :outputs] = 0
    start = first = 0
    for old, all_of_them in zip(few, many, strict=True):
        into[..., start : start + old, :outputs] = value[..., first : first + old, :]
        start, first = start + all_of_them, first + old


def _inputs(network: NetworkSettings) -> Iterator[tuple[str, list[int]]]:
    """Convolutions, each with the parts of its input side by side: how many features they have."""
    image = network.n_channels * network.stem**3
    levels = [network.features_at(level) for level in range(network.n_levels)]
    for level, features in enumerate(levels):
        above = levels[level - 1] if level else image
        for number, name in enumerate(names.down_convolutions(network, level)):
            yield name, [features if number else above]
    for level, features in enumerate(levels[:-1]):
        for number, name in enumerate(names.up_convolutions(network, level)):
            yield name, [features] if number else [features, levels[level + 1]]
    yield names.DETAIL, [levels[0], image]
    yield names.LOGITS, [levels[0], network.detail_features]

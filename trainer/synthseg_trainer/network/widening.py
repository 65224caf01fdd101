"""A trained network in a wider one: the same answers, with room to learn more.

After Net2Net (Chen, Goodfellow and Shlens 2016, arXiv:1511.05641), but new feature maps begin at
random and what follows ignores them at first, instead of copies that noise must part.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synthseg_trainer.config.network import NetworkSettings
from synthseg_trainer.network import layer_names as names

WIDTHS = ("features", "max_features", "head_features")
"""The settings in which the wider network may differ."""


def is_wider(network: NetworkSettings, other: NetworkSettings) -> bool:
    """Whether `network` has at least as many feature maps as `other` everywhere."""
    if (network.n_levels, network.convs_per_level) != (other.n_levels, other.convs_per_level):
        return False
    return all(
        mine >= theirs
        for level in range(network.n_levels)
        for mine, theirs in zip(_maps(network, level), _maps(other, level), strict=True)
    )


def _maps(network: NetworkSettings, level: int) -> tuple[int, ...]:
    return network.features_at(level), *network.up_features(level)


def widen(
    weights: Mapping[str, np.ndarray],
    network: NetworkSettings,
    wider: NetworkSettings,
    fresh: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Weights of `wider` with which it answers what `network` answers.

    Args:
        weights: Those of `network`, by `<layer>/<variable>`; without a last layer, the wider one
            has its initial one.
        network: The trained network.
        wider: The same but for `WIDTHS`, as wide or wider everywhere.
        fresh: Initial weights of `wider`: what its new feature maps begin with.
    """
    grown = _Grown(weights, fresh)
    arriving = np.arange(network.n_channels * network.stem**3)
    for level in range(network.n_levels):
        for layer in names.down_convolutions(network, level):
            arriving = grown.take(layer, arriving)
        grown.take_vectors(names.down_norm(level))
    for level in reversed(range(network.n_levels - 1)):
        skip = np.arange(network.features_at(level))
        arriving = np.concatenate([skip, wider.features_at(level) + arriving])
        for layer in names.up_convolutions(network, level):
            arriving = grown.take(layer, arriving)
        grown.take_vectors(names.up_norm(network, level))
    if f"{names.LOGITS}/kernel" in weights:
        grown.take(names.LOGITS, arriving)
    return grown.weights


class _Grown:
    """Wider weights in the making."""

    def __init__(self, weights: Mapping[str, np.ndarray], fresh: Mapping[str, np.ndarray]) -> None:
        self._trained = weights
        self.weights = {name: np.array(value) for name, value in fresh.items()}

    def take(self, layer: str, arriving: np.ndarray) -> np.ndarray:
        """Takes a convolution over; trained maps see only trained maps.

        Args:
            layer: Its name.
            arriving: Where each trained map that it reads is in the wider network.

        Returns:
            Where each trained map that it makes is.
        """
        trained, kernel = self._trained[f"{layer}/kernel"], self.weights[f"{layer}/kernel"]
        maps = trained.shape[-1]
        kernel[..., :maps] = 0
        kernel[..., arriving, :maps] = trained
        self.take_vectors(layer)
        return np.arange(maps)

    def take_vectors(self, layer: str) -> None:
        """Takes over whatever of a layer is one number per map."""
        for name, value in self._trained.items():
            if name.startswith(f"{layer}/") and value.ndim == 1:
                self.weights[name][: len(value)] = value

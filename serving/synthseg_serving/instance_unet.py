"""The served U-Net with instance normalisation: each scan's own statistics, over the whole volume.

Statistics need a level as a whole, so levels are not computed in slabs; only the last convolution,
whose answer is the largest tensor, is. Such networks are small ones that work behind a stem.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_trainer.aliases import Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names

from synthseg_serving.blocks import fold, max_pool
from synthseg_serving.decoder import low_margin
from synthseg_serving.unet import SLAB_VOXELS, ServedUnet
from synthseg_serving.variables import NORM_EPSILON


def served_unet(
    network: NetworkSettings, trained: Weights, flip_channels: tuple[int, ...]
) -> ServedUnet:
    """The served form of a network, by its normalisation; see `ServedUnet`."""
    kind = InstanceNormUnet if network.normalization == "instance" else ServedUnet
    return kind(network, trained, flip_channels)


class InstanceNormUnet(ServedUnet):
    """A trained network with instance normalisation, from volume to softmax probabilities."""

    def probabilities_in_slabs(
        self, volume: tf.Tensor, margin: int, mirrored: bool
    ) -> tuple[Callable[[tf.Tensor], tf.Tensor], tf.Tensor]:
        """Computes everything but the last convolution; see `ServedUnet`."""
        stem = self.network.stem
        features = self._features(fold(volume, stem))
        size, thickness, reach = tf.shape(features)[0], SLAB_VOXELS // stem, -(-margin // stem)
        padded = tf.pad(features, [[reach, reach], [0, 0], [0, 0], [0, 0]])

        def slab(index: tf.Tensor) -> tf.Tensor:
            first = index * thickness
            rows = padded[first : first + thickness + 2 * reach]
            return self._answer(rows, mirrored, reach * stem - margin, first * stem - margin, size)

        return slab, size // thickness

    def _features(self, folded: tf.Tensor) -> tf.Tensor:
        """All of the network but its last convolution, at the finest level."""
        skip = folded
        for layer in names.down_convolutions(self.network, 0):
            skip = self._convolution(skip, layer)
        low = max_pool(self._normalize(skip, names.down_norm(0)))
        low = self._deeper_levels(low)
        low = tf.pad(low, [list(low_margin(self.network.kernel_size))] * 3 + [[0, 0]])
        first, *others = names.up_convolutions(self.network, 0)
        volume = self._merge(skip, low, first)
        for layer in others:
            volume = self._convolution(volume, layer)
        volume = self._normalize(volume, names.up_norm(self.network, 0))
        if not self.network.detail_features:
            return volume
        detail = self._convolution(tf.concat([volume, folded], -1), names.DETAIL)
        return tf.concat([volume, self._normalize(detail, names.DETAIL_NORM)], -1)

    def _normalize(self, volume: tf.Tensor, layer: str) -> tf.Tensor:
        mean, variance = tf.nn.moments(volume, axes=[0, 1, 2])
        scale = self._values[f"{layer}/scale"] * tf.math.rsqrt(variance + NORM_EPSILON)
        return volume * scale + (self._values[f"{layer}/offset"] - mean * scale)

    def _add_norm(self, trained: Weights, layer: str) -> None:
        self._variable(f"{layer}/scale", trained[f"{layer}/gamma"])
        self._variable(f"{layer}/offset", trained[f"{layer}/beta"])

    def _head(self, trained: Weights) -> tuple[FloatArray, FloatArray]:
        self._add_norm(trained, names.up_norm(self.network, 0))
        if self.network.detail_features:
            self._add_norm(trained, names.DETAIL_NORM)
        return trained[f"{names.LOGITS}/kernel"][0, 0, 0], trained[f"{names.LOGITS}/bias"]

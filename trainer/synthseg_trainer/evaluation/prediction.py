"""Labels of a scan from a network in training, by the same steps as the served graph.

Percentile rescale, padding, the average with the mirrored pass, smoothing, the most probable label.
Probabilities exist for a slab at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_common.contract import DEFAULT_MIN_SIZE, SIZE_MULTIPLE
from synthseg_common.processing import (
    INPUT_PERCENTILES,
    SMOOTHING_SIGMA_VOXELS,
    mirrored_shift,
)

from synthseg_trainer.aliases import LabelArray, Tensor, Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.blocks import unfold
from synthseg_trainer.network.bundle import assign_weights
from synthseg_trainer.network.head import head_logits
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.network.unet import build_unet

_SLAB_VOXELS = 32


class Predictor:
    """A network whose weights can be exchanged, from scan to labels.

    Args:
        network: Shape of the network.
        flip_channels: For each channel that of the same structure on the other side.
    """

    def __init__(self, network: NetworkSettings, flip_channels: Sequence[int]) -> None:
        self.network = network
        self._flip_channels = list(flip_channels)
        self._shift = mirrored_shift(network.stem)
        self._model = build_unet(network)
        self._head = self._model.get_layer(LOGITS)
        body = keras.Model(self._model.input, self._head.input)
        volume = tf.TensorSpec((1, None, None, None, 1), tf.float32)
        self._features = tf.function(lambda x: body(x, training=False), input_signature=[volume])
        rows = tf.TensorSpec((1, None, None, None, self._head.input.shape[-1]), tf.float32)
        self._plain = tf.function(self._slab_labels, input_signature=[rows])
        self._averaged = tf.function(self._slab_labels, input_signature=[rows, rows])

    def load(self, weights: Weights) -> None:
        """Gives the network other weights, by `<layer>/<variable>`.

        Raises:
            CheckpointError: They are not this network's.
        """
        assign_weights(self._model, weights)

    def segment(
        self, image: FloatArray, *, flip: bool = True, min_size: int = DEFAULT_MIN_SIZE
    ) -> LabelArray:
        """Segments a scan, without the clean-up of connected components.

        Args:
            image: float32 `[x, y, z]`, RAS axes, the network's voxel size, finite.
            flip: Average with the left-right mirrored pass.
            min_size: Least network grid per axis.

        Returns:
            int32 `[x, y, z]`, channels of the network.
        """
        multiple = math.lcm(SIZE_MULTIPLE, self.network.size_multiple)
        grid = [-(-max(n, min_size) // multiple) * multiple for n in image.shape]
        before = [(g - n) // 2 for g, n in zip(grid, image.shape, strict=True)]
        around = [(b, g - n - b) for b, g, n in zip(before, grid, image.shape, strict=True)]
        volume = np.pad(rescale(image), around)
        passes = [volume]
        if flip:
            passes.append(np.roll(volume, (self._shift, self._shift), (1, 2))[::-1])
        features = [self._features(tf.constant(v[None, ..., None])) for v in passes]
        labels = np.concatenate(list(self._slabs(features)))
        inside = tuple(slice(b, b + n) for b, n in zip(before, image.shape, strict=True))
        return labels[inside]

    def _slabs(self, features: list[Tensor]) -> Iterator[LabelArray]:
        """Labels slab by slab along x, int32 `[thickness, y, z]`."""
        stem, size = self.network.stem, int(features[0].shape[1])
        thickness = max(_SLAB_VOXELS // stem, 1)
        for first in range(0, size, thickness):
            # One row more on either side for the smoothing.
            low, high = max(first - 1, 0), min(first + thickness + 1, size)
            if len(features) == 1:
                labels = self._plain(features[0][:, low:high])
            else:
                mirrored = features[1][:, size - high : size - low]
                labels = self._averaged(features[0][:, low:high], mirrored)
            start = (first - low) * stem
            yield labels.numpy()[start : start + thickness * stem]

    def _slab_labels(self, plain: Tensor, mirrored: Tensor | None = None) -> Tensor:
        posterior = self._probabilities(plain)
        if mirrored is not None:
            other = tf.reverse(self._probabilities(mirrored), [0])
            other = tf.roll(other, [-self._shift, -self._shift], [1, 2])
            posterior = 0.5 * (posterior + tf.gather(other, self._flip_channels, axis=-1))
        for axis in range(3):
            posterior = _smooth(posterior, axis)
        return tf.argmax(posterior, axis=-1, output_type=tf.int32)

    def _probabilities(self, features: Tensor) -> Tensor:
        """float32 `[x, y, z, label]` of folded features `[1, x/s, y/s, z/s, feature]`."""
        stem = self.network.stem
        folded = tf.nn.softmax(head_logits(self._head, features, stem)[0])
        x, y, z = tf.unstack(tf.shape(folded)[:3])
        folded = tf.reshape(folded, [1, x, y, z, stem**3 * self.network.n_labels])
        return unfold(folded, stem)[0]


def rescale(image: FloatArray) -> FloatArray:
    """Clips to the 0.5th and 99.5th percentile over all voxels and maps those to 0 and 1.

    Returns:
        float32 of the same shape; all zeros where both percentiles are equal.
    """
    low, high = np.percentile(image.astype(np.float64), INPUT_PERCENTILES)
    if not high > low:
        return np.zeros(image.shape, np.float32)
    clipped = np.clip(image, np.float32(low), np.float32(high)).astype(np.float64)
    scaled: FloatArray = np.clip((clipped - low) / (high - low), 0, 1).astype(np.float32)
    return scaled


def _smooth(posterior: Tensor, axis: int) -> Tensor:
    """Blurs along an axis with three voxels of a Gaussian, zeros around the volume."""
    neighbour = math.exp(-1 / (2 * SMOOTHING_SIGMA_VOXELS**2))
    total = 1 + 2 * neighbour
    padded = tf.pad(posterior, [[int(i == axis)] * 2 for i in range(4)])
    size = tf.shape(posterior)[axis]
    before, after = (tf.gather(padded, tf.range(size) + shift, axis=axis) for shift in (0, 2))
    return (posterior + neighbour * (before + after)) / total

"""Cortical parcels: a network that is shown an image and where its cortex lies.

Billot et al. 2023, doi:10.1073/pnas.2216399120. Probabilities of 68 parcels exist slab by slab
only; what leaves is a label map and a number per parcel.
"""

from __future__ import annotations

import json

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.parcels import LEFT_CORTEX, PARCELS, PARCELS_PER_SIDE, RIGHT_CORTEX
from synthseg_trainer.aliases import Weights

from synthseg_serving.checks import at_network_grid, checked_image, require, scalar
from synthseg_serving.graph import Input, Signature
from synthseg_serving.inference import described, inner, smooth
from synthseg_serving.intensity import rescale
from synthseg_serving.official.networks import PARCELLATION
from synthseg_serving.slabs import for_each_slab
from synthseg_serving.unet import SLAB_VOXELS, ServedUnet

_MARGIN = 1


class Parcellator:
    """The released parcellation network with everything around it."""

    def __init__(self, weights: Weights, info: dict[str, object]) -> None:
        """Takes the released weights.

        Args:
            weights: Arrays by the file's `<layer>/<variable>`.
            info: What `describe` answers as `model_info`.

        Raises:
            WeightsError: They are not the network's.
        """
        (part,) = PARCELLATION.parts
        self.unet = ServedUnet(part.network, part.weights(weights), PARCELS.flip_channels)
        self.max_voxels = int(str(info.get(contract.MAX_VOXELS, contract.DEFAULT_MAX_VOXELS)))
        self.info = json.dumps(info)

    def signatures(self) -> dict[str, Signature]:
        """What the model is asked."""
        any_volume = (None, None, None)
        inputs = (
            Input(contract.IMAGE, tf.float32, any_volume),
            Input(contract.NETWORK_LABELS, tf.uint8, any_volume),
            Input(contract.CLEAN_LABELS, tf.uint8, any_volume),
            Input(contract.SMOOTH, tf.bool, (), np.array(True)),
            Input(contract.BY_HEMISPHERE, tf.bool, (), np.array(True)),
        )
        return {
            contract.SEGMENT_SIGNATURE: Signature(inputs, self.parcellate),
            contract.DESCRIBE_SIGNATURE: Signature((), lambda: described(PARCELS, self.info)),
        }

    def restore(self, session: tf.compat.v1.Session) -> None:
        """Gives the variables of the graph their values."""
        self.unet.restore(session)

    def parcellate(
        self,
        image: tf.Tensor,
        network_labels: tf.Tensor,
        clean_labels: tf.Tensor,
        smooth: tf.Tensor,
        by_hemisphere: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Divides the cortex of one volume; see `contract` for request and answer."""
        image = checked_image(image)
        shape = tf.shape(image)
        labels = at_network_grid(network_labels, shape, self.max_voxels)
        grid = tf.shape(labels)
        same = tf.reduce_all(
            tf.equal(tf.concat([tf.shape(clean_labels), [0] * 3], 0)[:3], shape)
        ) & tf.equal(tf.rank(clean_labels), 3)
        check = require(
            same, "clean_labels must have the shape of image, found", tf.shape(clean_labels)
        )
        with tf.control_dependencies([check]):
            clean = tf.reshape(clean_labels, shape)
        offset = (grid - shape) // 2
        padding = tf.stack([offset, grid - shape - offset], 1)
        cortex = tf.cast(_is_cortex(labels), tf.float32)
        volume = tf.stack([tf.pad(rescale(image), padding), 1 - cortex, cortex], axis=-1)
        # Beyond the image nothing is counted.
        sides = tf.pad(_side_of(clean), padding, constant_values=_OUTSIDE)
        channels, voxels = self._answer(
            volume,
            sides,
            scalar(smooth, contract.SMOOTH),
            scalar(by_hemisphere, contract.BY_HEMISPHERE),
        )
        values = tf.constant(PARCELS.values, tf.uint16)
        parcels = tf.gather(values, tf.cast(tf.slice(channels, offset, shape), tf.int32))
        return {contract.PARCELS: parcels, contract.PARCEL_VOXELS: voxels}

    def _answer(
        self, volume: tf.Tensor, sides: tf.Tensor, smoothed: tf.Tensor, by_hemisphere: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Channels uint8 `[x, y, z]`, 0 outside the cortex, and float64 `[label]` sums."""
        slab, count = self.unet.probabilities_in_slabs(volume, margin=_MARGIN, mirrored=False)

        def body(
            index: tf.Tensor, channels: tf.TensorArray, sums: tf.TensorArray
        ) -> tuple[tf.TensorArray, tf.TensorArray]:
            rows = slab(index)
            posterior = tf.cond(smoothed, lambda: smooth(rows), lambda: inner(rows))
            here = sides[index * SLAB_VOXELS : (index + 1) * SLAB_VOXELS]
            found, counted = divide(posterior, here, by_hemisphere)
            return channels.write(index, found), sums.write(index, counted)

        channels, sums = for_each_slab(
            count,
            body,
            (
                tf.TensorArray(tf.uint8, count, infer_shape=False),
                tf.TensorArray(tf.float64, count),
            ),
        )
        found = tf.ensure_shape(channels.concat(), [None, None, None])
        return found, tf.reduce_sum(sums.stack(), axis=0)


_ELSEWHERE, _LEFT, _RIGHT, _OUTSIDE = range(4)


def divide(
    posterior: tf.Tensor, sides: tf.Tensor, by_hemisphere: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The parcel of each voxel of cortex, and how much there is of each.

    Args:
        posterior: float32 `[x, y, z, 69]`.
        sides: uint8 `[x, y, z]`: 0 no cortex, 1 left, 2 right, 3 outside the image.
        by_hemisphere: Whether one side's cortex takes parcels of that side only, bool scalar.

    Returns:
        uint8 `[x, y, z]`, channels, 0 where there is no cortex; float64 `[69]`, sums in voxels.
    """
    left, right = posterior[..., 1 : 1 + PARCELS_PER_SIDE], posterior[..., 1 + PARCELS_PER_SIDE :]
    on_left, on_right = tf.equal(sides, _LEFT), tf.equal(sides, _RIGHT)
    winner = tf.argmax(posterior[..., 1:], axis=-1, output_type=tf.int32)
    of_side = tf.where(
        on_right,
        PARCELS_PER_SIDE + tf.argmax(right, axis=-1, output_type=tf.int32),
        tf.argmax(left, axis=-1, output_type=tf.int32),
    )
    channel = 1 + tf.where(by_hemisphere, of_side, winner)
    channel = tf.where(on_left | on_right, channel, 0)

    def share(mask: tf.Tensor) -> tf.Tensor:
        return tf.cast(~(mask & by_hemisphere), tf.float32)[..., tf.newaxis]

    parcels = tf.concat([left * share(on_right), right * share(on_left)], axis=-1)
    total = tf.reduce_sum(parcels, -1) + tf.cast(tf.equal(sides, _ELSEWHERE), tf.float32)
    counted = (sides < _OUTSIDE) & (total > 0)
    weight = tf.where(counted, 1 / tf.where(total > 0, total, 1), 0)
    # Rows of y and z in float32, what they come to in float64.
    lines = tf.einsum("xyzc,xyz->xyc", parcels, weight)
    sums = tf.reduce_sum(tf.cast(lines, tf.float64), axis=[0, 1])
    return tf.cast(channel, tf.uint8), tf.pad(sums, [[1, 0]])


def _is_cortex(labels: tf.Tensor) -> tf.Tensor:
    return tf.equal(labels, LEFT_CORTEX) | tf.equal(labels, RIGHT_CORTEX)


def _side_of(labels: tf.Tensor) -> tf.Tensor:
    """uint8 `[x, y, z]`: see `divide`."""
    table = np.zeros(256, np.uint8)
    table[LEFT_CORTEX], table[RIGHT_CORTEX] = _LEFT, _RIGHT
    return tf.gather(tf.constant(table), tf.cast(labels, tf.int32))

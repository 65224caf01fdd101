"""Losses of the original, without one-hot tensors: only the true label's score is gathered.

All take float32 logits `[voxel, label]` and int32 targets `[voxel]`, any order of voxels, and
return a scalar. Sums run over the voxels of one sample; the mean over samples is the caller's.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any

_EPSILON = 1e-7
# Weight of background voxels and the target logits of the warm-up (official values; the weight is
# that of 2021, because the later 1e-8 vanishes in float32 and divides 0 by 0 where a crop is all
# background).
_BACKGROUND_WEIGHT = 1e-4
_TARGET_LOGIT = 5.0


def wl2_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Weighted squared distance of the logits from ±5, background nearly ignored: the warm-up.

    Args:
        logits: float32 `[voxel, label]`.
        target: int32 `[voxel]`, channels.

    Returns:
        float32 scalar.

    References:
        Billot et al. 2023, doi:10.1016/j.media.2023.102789.
    """
    weight = tf.where(tf.equal(target, 0), _BACKGROUND_WEIGHT, 1.0)
    # (p + 5)² summed over labels, except the true one, where it is (p - 5)²: the difference is -20
    # p.
    squares = tf.reduce_sum(tf.square(logits + _TARGET_LOGIT), axis=-1)
    true_logit = tf.gather(logits, target, axis=1, batch_dims=1)
    squares -= 4.0 * _TARGET_LOGIT * true_logit
    n_labels = tf.cast(tf.shape(logits)[-1], logits.dtype)
    return tf.reduce_sum(weight * squares) / (tf.reduce_sum(weight) * n_labels)


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss, mean over all labels: background too, absent ones as the original does.

    Args:
        logits: float32 `[voxel, label]`.
        target: int32 `[voxel]`, channels.

    Returns:
        float32 scalar in [0, 1].

    References:
        Milletari et al. 2016, doi:10.1109/3DV.2016.79.
    """
    return _dice_of_probabilities(tf.nn.softmax(logits), target)


@tf.custom_gradient
def _dice_of_probabilities(probabilities: Tensor, target: Tensor) -> tuple[Tensor, Any]:
    n_labels = probabilities.shape[-1]
    true_probability = tf.gather(probabilities, target, axis=1, batch_dims=1)
    overlap = tf.math.unsorted_segment_sum(true_probability, target, n_labels)
    volume = tf.math.unsorted_segment_sum(tf.ones_like(true_probability), target, n_labels)
    bottom = tf.reduce_sum(tf.square(probabilities), axis=0) + volume + _EPSILON
    top = 2.0 * overlap + _EPSILON
    loss = 1.0 - tf.reduce_mean(top / bottom)

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        # d loss / d p: 2 p top / bottom² everywhere, less 2 / bottom at the true label.
        scale = upstream / n_labels
        spread = probabilities * (scale * 2.0 * top / tf.square(bottom))
        voxels = tf.range(tf.shape(target)[0])
        hits = -tf.gather(scale * 2.0 / bottom, target)
        return tf.tensor_scatter_nd_add(spread, tf.stack([voxels, target], axis=1), hits), None

    return loss, gradient


def cross_entropy_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy over the voxels, in nats.

    Args:
        logits: float32 `[voxel, label]`.
        target: int32 `[voxel]`, channels.
    """
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits))


def dice_cross_entropy_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Sum of soft Dice and cross-entropy: the latter moves every voxel from the first step."""
    return dice_loss(logits, target) + cross_entropy_loss(logits, target)


LOSSES = {
    "wl2": wl2_loss,
    "dice": dice_loss,
    "cross_entropy": cross_entropy_loss,
    "dice_cross_entropy": dice_cross_entropy_loss,
}
"""Losses by the name that settings use."""

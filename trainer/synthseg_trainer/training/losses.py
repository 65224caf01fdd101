"""Losses of the original, without one-hot tensors: only the true label's score is gathered.

All take the float32 logits `[voxel, label]` and int32 targets `[voxel]` of one sample, any order of
voxels. `sample_terms` says how those of the samples of a batch make its loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from synthseg_trainer.aliases import Tensor
from synthseg_trainer.config.stage import LossWeights

_EPSILON = 1e-7
# Target logits of the warm-up (official).
_TARGET_LOGIT = 5.0
# Smallest weight of a background voxel: a mean over voxels of less may be 0 in float32.
_LEAST_WEIGHT = 1e-30
# Smallest probability whose logarithm is taken; the gradient does not know this bound.
_LEAST_PROBABILITY = 1e-30


class Terms(NamedTuple):
    """What a sample adds to the loss of a batch, which is the sum of totals by that of weights.

    Attributes:
        total: float32 scalar.
        weight: float32 scalar, the same whatever the network answers: so gradients of totals may be
            summed over passes and devices before the weights of all of them are known.
    """

    total: Tensor
    weight: Tensor


def sample_terms(
    name: str, weights: LossWeights
) -> Callable[[Tensor, Tensor, Tensor | None], Terms]:
    """The loss of that name, as a function of logits, targets and `near` (see `dice_loss`).

    Dice and cross-entropy are means over samples. `wl2` weighs voxels, and divides by the sum of
    their weights over the whole batch, as the original does.
    """
    if name == "wl2":
        return lambda logits, target, near: wl2_terms(logits, target, weights.background)
    loss = {
        "dice": dice_loss,
        "cross_entropy": cross_entropy_loss,
        "dice_cross_entropy": dice_cross_entropy_loss,
    }[name]
    return lambda logits, target, near: Terms(loss(logits, target, weights, near), tf.constant(1.0))


def wl2_terms(logits: Tensor, target: Tensor, background: float = 1e-8) -> Terms:
    """Weighted squared distance of the logits from ±5, background nearly ignored: the warm-up.

    The original adds the background's weight to 1 - b, where float32 drops it, and divides 0 by 0
    where a crop is all background. Here that crop teaches its background.

    Args:
        logits: float32 `[voxel, label]`.
        target: int32 `[voxel]`, channels.
        background: Weight of background voxels, taken for 1e-30 where it is less; others have 1.

    References:
        Billot et al. 2023, doi:10.1016/j.media.2023.102789.
    """
    weight = tf.where(tf.equal(target, 0), max(background, _LEAST_WEIGHT), 1.0)
    # (p + 5)² summed over labels, except the true one, where it is (p - 5)²: the difference is -20
    # p.
    squares = tf.reduce_sum(tf.square(logits + _TARGET_LOGIT), axis=-1)
    squares -= 4.0 * _TARGET_LOGIT * _of_target(logits, target)
    n_labels = tf.cast(tf.shape(logits)[-1], logits.dtype)
    # Means instead of sums: the ratio is the same, and half the width holds their gradients.
    return Terms(tf.reduce_mean(weight * squares), tf.reduce_mean(weight) * n_labels)


def dice_loss(
    logits: Tensor, target: Tensor, weights: LossWeights | None = None, near: Tensor | None = None
) -> Tensor:
    """Soft Dice loss, mean over all labels: background too, absent ones as the original does.

    Args:
        logits: float32 `[voxel, label]`.
        target: int32 `[voxel]`, channels.
        weights: What counts more.
        near: bool `[voxel, label]`, which voxels lie near the boundary of a label; needed if
            boundaries count more.

    Returns:
        float32 scalar in [0, 1].

    References:
        Milletari et al. 2016, doi:10.1109/3DV.2016.79.
    """
    return _region_loss(logits, target, weights, near, dice=True, cross_entropy=False)


def cross_entropy_loss(
    logits: Tensor, target: Tensor, weights: LossWeights | None = None, near: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy over the voxels, in nats; arguments as for `dice_loss`.

    With class weights the original sums over the last axis of the volume by mistake, and scales
    weights to a sum of 1; here it is a mean over voxels and a mean of 1.
    """
    return _region_loss(logits, target, weights, near, dice=False, cross_entropy=True)


def dice_cross_entropy_loss(
    logits: Tensor, target: Tensor, weights: LossWeights | None = None, near: Tensor | None = None
) -> Tensor:
    """Sum of soft Dice and cross-entropy: the latter moves every voxel from the first step."""
    return _region_loss(logits, target, weights, near, dice=True, cross_entropy=True)


def near_boundaries(target: Tensor, n_labels: int, distance: int) -> Tensor:
    """Which voxels lie near the boundary of a label, as the original tells it.

    Those where the label takes less than a third of the cube of voxels around, but not none of it;
    never for the background.

    Args:
        target: int32 `[x, y, z]`, channels.
        n_labels: Labels of the network.
        distance: Voxels of the cube on each side.

    Returns:
        bool `[x, y, z, label]`.
    """
    share = tf.one_hot(target[None], n_labels)
    width = 2 * distance + 1
    # The mean over a cube is one over each axis after the other, also at the border.
    for axis in range(3):
        window = [width if a == axis else 1 for a in range(3)]
        share = tf.nn.avg_pool3d(share, [1, *window, 1], [1] * 5, "SAME")
    near = (share[0] > 0) & (share[0] < 1 / 3 - 1e-4)
    return near & tf.greater(tf.range(n_labels), 0)


def _region_loss(
    logits: Tensor,
    target: Tensor,
    weights: LossWeights | None,
    near: Tensor | None,
    *,
    dice: bool,
    cross_entropy: bool,
) -> Tensor:
    weights = weights or LossWeights()
    if weights.boundary > 0:
        if near is None:
            raise ValueError("a loss that weighs boundaries needs to know where they are")
        voxels = 1.0 + weights.boundary * tf.cast(near, logits.dtype)
        return _boundary_loss(logits, target, weights, voxels, dice, cross_entropy)
    ones = tf.ones_like(target, logits.dtype)
    labels = _label_weights(weights, tf.math.unsorted_segment_sum(ones, target, logits.shape[-1]))
    return _fused_loss(logits, target, labels, dice, cross_entropy)


def _label_weights(weights: LossWeights, volume: Tensor) -> Tensor:
    """float32 `[label]`, of mean 1; `volume` of each label as they weigh its voxels."""
    if weights.inverse_volume:
        raw = tf.math.divide_no_nan(1.0, volume)
    elif weights.classes is not None:
        raw = tf.constant(weights.classes, volume.dtype)
    else:
        return tf.ones_like(volume)
    return raw / tf.reduce_mean(raw)


def _fused_loss(
    logits: Tensor, target: Tensor, labels: Tensor, dice: bool, cross_entropy: bool
) -> Tensor:
    """Dice, cross-entropy or their sum from one softmax, with a gradient that makes few passes.

    The large tensors `[voxel, label]` cost as much as the network: this makes three of them.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def loss_of(logits: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        n_labels, n_voxels = logits.shape[-1], tf.cast(tf.shape(target)[0], logits.dtype)
        probabilities = tf.nn.softmax(logits)
        true = _of_target(probabilities, target)
        loss = tf.zeros((), logits.dtype)
        # Loss by d logit is p_l (rise_l p_l + level_v) - (1 if l is the true label) drop_v.
        rise, level, drop = tf.zeros(()), tf.zeros_like(true), tf.zeros_like(true)
        if dice:
            overlap = tf.math.unsorted_segment_sum(true, target, n_labels)
            volume = tf.math.unsorted_segment_sum(tf.ones_like(true), target, n_labels)
            squares = tf.square(probabilities)
            bottom = tf.reduce_sum(squares, axis=0) + volume + _EPSILON
            top = 2.0 * overlap + _EPSILON
            share = labels / n_labels
            loss += tf.reduce_sum(share * (1.0 - top / bottom))
            rise = 2.0 * share * top / tf.square(bottom)
            hit = true * tf.gather(2.0 * share / bottom, target)
            level += hit - tf.linalg.matvec(squares, rise)
            drop += hit
        if cross_entropy:
            weight = tf.gather(labels, target) / n_voxels
            loss -= tf.reduce_sum(weight * tf.math.log(tf.maximum(true, _LEAST_PROBABILITY)))
            level += weight
            drop += weight

        def gradient(upstream: Tensor) -> Tensor:
            spread = probabilities * (upstream * rise) + (upstream * level)[:, None]
            places = tf.stack([tf.range(tf.shape(target)[0]), target], axis=1)
            return tf.tensor_scatter_nd_sub(probabilities * spread, places, upstream * drop)

        return loss, gradient

    return loss_of(logits)


def _boundary_loss(
    logits: Tensor,
    target: Tensor,
    weights: LossWeights,
    voxels: Tensor,
    dice: bool,
    cross_entropy: bool,
) -> Tensor:
    """The same with a weight for each voxel and label, `voxels`; TensorFlow differentiates it."""
    n_labels = logits.shape[-1]
    own = _of_target(voxels, target)
    volume = tf.math.unsorted_segment_sum(own, target, n_labels)
    labels = _label_weights(weights, volume)
    loss = tf.zeros((), logits.dtype)
    if dice:
        probabilities = tf.nn.softmax(logits)
        true = _of_target(probabilities, target)
        overlap = tf.math.unsorted_segment_sum(own * true, target, n_labels)
        bottom = tf.reduce_sum(voxels * tf.square(probabilities), axis=0) + volume + _EPSILON
        loss += tf.reduce_mean(labels * (1.0 - (2.0 * overlap + _EPSILON) / bottom))
    if cross_entropy:
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)
        loss += tf.reduce_mean(own * tf.gather(labels, target) * entropy)
    return loss


def _of_target(values: Tensor, target: Tensor) -> Tensor:
    """The true label's entry: `[voxel, label]` to `[voxel]`."""
    return tf.gather(values, target, axis=1, batch_dims=1)

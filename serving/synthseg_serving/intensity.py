"""Robust rescaling of a scan in the served graph: NumPy's linear percentiles without a sort."""

from __future__ import annotations

import tensorflow as tf
from synthseg_common.processing import INPUT_PERCENTILES

_HALF = 1 << 15
_BINS = 1 << 16


def rescale(image: tf.Tensor) -> tf.Tensor:
    """Clips to the 0.5th and 99.5th percentile over all voxels and maps those to 0 and 1.

    Args:
        image: float32, any shape, finite, at least one voxel.

    Returns:
        float32 in [0, 1], the same shape; all zeros where both percentiles are equal.
    """
    low, high = percentiles(image, INPUT_PERCENTILES)
    # In float64 the range of two finite float32 values cannot overflow.
    scale = tf.where(high > low, 1 / tf.where(high > low, high - low, 1), 0)
    low32, high32 = tf.cast(low, tf.float32), tf.cast(high, tf.float32)
    shifted = tf.cast(tf.clip_by_value(image, low32, high32), tf.float64) - low
    return tf.clip_by_value(tf.cast(shifted * scale, tf.float32), 0.0, 1.0)


def percentiles(image: tf.Tensor, percents: tuple[float, ...]) -> list[tf.Tensor]:
    """Percentiles over all voxels with linear interpolation, as `numpy.percentile`.

    An order statistic is found by two histograms over the halves of the value's bits, so the cost
    is linear (TensorFlow's sort takes several seconds for a head scan).

    Args:
        image: float32, any shape, finite, at least one voxel.
        percents: Percentages between 0 and 100.

    Returns:
        One float64 scalar per percentage, in the image's unit.
    """
    keys = _ordered_keys(tf.reshape(image, [-1]))
    upper = tf.bitwise.right_shift(keys, 16) + _HALF
    counts = tf.math.bincount(upper, minlength=_BINS, maxlength=_BINS)
    totals = tf.cumsum(counts)
    last = tf.cast(tf.size(keys) - 1, tf.float64)
    return [_percentile(keys, upper, totals, last * (percent / 100)) for percent in percents]


def _percentile(
    keys: tf.Tensor, upper: tf.Tensor, totals: tf.Tensor, position: tf.Tensor
) -> tf.Tensor:
    rank = tf.cast(tf.floor(position), tf.int32)
    fraction = position - tf.floor(position)
    above = tf.minimum(rank + 1, tf.size(keys) - 1)
    first = _order_statistic(keys, upper, totals, rank)
    second = _order_statistic(keys, upper, totals, above)
    return first + (second - first) * fraction


def _order_statistic(
    keys: tf.Tensor, upper: tf.Tensor, totals: tf.Tensor, rank: tf.Tensor
) -> tf.Tensor:
    """The value of a rank (0 the smallest), float64."""
    half = tf.searchsorted(totals, [rank], side="right")[0]
    before = tf.where(half > 0, totals[tf.maximum(half - 1, 0)], 0)
    lower = tf.bitwise.bitwise_and(tf.boolean_mask(keys, tf.equal(upper, half)), _BINS - 1)
    counts = tf.cumsum(tf.math.bincount(lower, minlength=_BINS, maxlength=_BINS))
    rest = tf.searchsorted(counts, [rank - before], side="right")[0]
    key = tf.bitwise.bitwise_or(tf.bitwise.left_shift(half - _HALF, 16), rest)
    return tf.cast(tf.bitcast(_swap_negative(key), tf.float32), tf.float64)


def _ordered_keys(values: tf.Tensor) -> tf.Tensor:
    """int32 that sort as the float32 values do."""
    return _swap_negative(tf.bitcast(values, tf.int32))


def _swap_negative(bits: tf.Tensor) -> tf.Tensor:
    """Reverses the order of negative numbers' bits; its own inverse."""
    return tf.bitwise.bitwise_xor(
        bits, tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, 31), 0x7FFFFFFF)
    )

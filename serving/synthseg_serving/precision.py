"""Probabilities in fewer bits, rounded so that the clean-up comes out as with all of them.

The clean-up compares probabilities with thresholds and keeps connected pieces, so that one voxel on
the wrong side of a threshold can cost a whole piece of a structure.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from synthseg_common import contract

THRESHOLDS = (contract.CLASS_THRESHOLD, contract.FAST_THRESHOLD)
"""What the client compares probabilities with."""
BYTES = 3
"""Bytes of a stored probability."""
_STEPS = float(2 ** (8 * BYTES) - 1)


def store(probability: tf.Tensor) -> tf.Tensor:
    """Packs float32 probabilities `[x, y, z, label]` into uint8 `[x, y, z, BYTES * label]`.

    Half precision would be smaller and errs by up to 2.4e-4, which shows in small structures.
    """
    steps = tf.cast(tf.round(probability * _STEPS), tf.int32)
    low_bytes = tf.bitcast(steps, tf.uint8)[..., :BYTES]
    return tf.reshape(low_bytes, _last_axis(tf.shape(probability), BYTES * probability.shape[-1]))


def restore(stored: tf.Tensor) -> tf.Tensor:
    """float32 `[x, y, z, label]` from what `store` packed."""
    labels = stored.shape[-1] // BYTES
    shape = _last_axis(tf.shape(stored), labels)
    low_bytes = tf.reshape(stored, tf.concat([shape, [BYTES]], 0))
    steps = tf.bitcast(tf.pad(low_bytes, [[0, 0]] * 4 + [[0, 4 - BYTES]]), tf.int32)
    return tf.ensure_shape(tf.cast(steps, tf.float32) / _STEPS, [None, None, None, labels])


def _last_axis(shape: tf.Tensor, size: int) -> tf.Tensor:
    return tf.concat([shape[:-1], [size]], 0)


def to_half(probability: tf.Tensor) -> tf.Tensor:
    """Rounds float32 to float16, but never from above a threshold to it or below."""
    half = tf.cast(probability, tf.float16)
    for threshold in THRESHOLDS:
        above = tf.constant(_next_above(threshold), tf.float16)
        half = tf.where((probability > threshold) & (half < above), above, half)
    return half


def _next_above(threshold: float) -> np.float16:
    """The smallest float16 above a threshold as the client compares it, in float32."""
    nearest = np.float16(threshold)
    if np.float32(nearest) > np.float32(threshold):
        return nearest
    return np.float16(np.nextafter(nearest, np.float16(1)))

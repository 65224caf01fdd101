"""Reshaping steps of the served network, on volumes without a batch axis."""

from __future__ import annotations

import tensorflow as tf


def max_pool(volume: tf.Tensor) -> tf.Tensor:
    """Largest value of every 2³ block, float32 `[x/2, y/2, z/2, channel]`."""
    return tf.squeeze(tf.nn.max_pool3d(volume[tf.newaxis], 2, 2, "SAME"), axis=0)


def fold(volume: tf.Tensor, block: int) -> tf.Tensor:
    """Blocks of `block`³ voxels to channels, sub-voxel x slowest, channel fastest."""
    if block == 1:
        return volume
    channels = volume.shape[3]
    x, y, z = (n // block for n in tf.unstack(tf.shape(volume)[:3]))
    blocks = tf.reshape(volume, [x, block, y, block, z, block, channels])
    blocks = tf.transpose(blocks, [0, 2, 4, 1, 3, 5, 6])
    return tf.reshape(blocks, [x, y, z, block**3 * channels])


def unfold(volume: tf.Tensor, block: int) -> tf.Tensor:
    """The way back of `fold`."""
    if block == 1:
        return volume
    channels = volume.shape[3] // block**3
    x, y, z = tf.unstack(tf.shape(volume)[:3])
    parts = tf.reshape(volume, [x, y, z, block, block, block, channels])
    parts = tf.transpose(parts, [0, 3, 1, 4, 2, 5, 6])
    return tf.reshape(parts, [x * block, y * block, z * block, channels])

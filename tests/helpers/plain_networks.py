"""The released networks layer by layer, from the original's names, without anything of ours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_trainer.aliases import Weights

EPSILON = 1e-3
LEVELS = 5


def unet(
    weights: Weights, prefix: str, volume: FloatArray, merges: Callable[[int], bool]
) -> FloatArray:
    """Softmax probabilities `[x, y, z, label]` of a U-Net of the original's.

    Args:
        weights: By `<layer>/<variable>`.
        prefix: Of its layers, without the underscore.
        volume: float32 `[x, y, z, channel]`.
        merges: Whether it joins what the way down found at a level, 0 the finest.
    """

    def block(name: str, here: tf.Tensor) -> tf.Tensor:
        for number in range(2):
            here = tf.nn.elu(convolution(weights, f"{prefix}_conv_{name}_{number}", here))
        return here

    here, found = tf.constant(volume)[tf.newaxis], []
    for level in range(LEVELS):
        found.append(block(f"downarm_{level}", here))
        here = normalised(weights, f"{prefix}_bn_down_{level}", found[-1])
        if level < LEVELS - 1:
            here = tf.nn.max_pool3d(here, 2, 2, "VALID")
    for step in range(LEVELS - 1):
        level = LEVELS - 2 - step
        for axis in (1, 2, 3):
            here = tf.repeat(here, 2, axis)
        if merges(level):
            here = tf.concat([found[level], here], -1)
        here = block(f"uparm_{LEVELS + step}", here)
        here = normalised(weights, f"{prefix}_bn_up_{step}", here)
    return array(tf.nn.softmax(convolution(weights, f"{prefix}_likelihood", here))[0])


def quality(weights: Weights, groups: FloatArray) -> FloatArray:
    """What the regressor of quality says, `[9]`, of one-hot groups `[x, y, z, 9]`."""
    here = tf.constant(groups)[tf.newaxis]
    for level in range(4):
        first = tf.nn.relu(convolution(weights, f"qc_conv_downarm_{level}_0", here))
        second = convolution(weights, f"qc_conv_downarm_{level}_1", first)
        short = tf.nn.relu(convolution(weights, f"qc_expand_down_merge_{level}", here))
        here = normalised(weights, f"qc_bn_down_{level}", tf.nn.relu(short + second))
        here = tf.nn.max_pool3d(here, 2, 2, "VALID")
    for number in range(2):
        here = tf.nn.relu(convolution(weights, f"qc_final_conv_{number}", here))
    return array(tf.reduce_mean(here, [0, 1, 2, 3]))


def convolution(weights: Weights, layer: str, here: tf.Tensor) -> tf.Tensor:
    found = tf.nn.conv3d(here, weights[f"{layer}/kernel"], [1] * 5, "SAME")
    return found + weights[f"{layer}/bias"]


def normalised(weights: Weights, layer: str, here: tf.Tensor) -> tf.Tensor:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    gamma, beta, mean, variance = (weights[f"{layer}/{name}"] for name in names)
    return (here - mean) / np.sqrt(variance + EPSILON) * gamma + beta


def array(tensor: tf.Tensor) -> FloatArray:
    return np.asarray(tensor, np.float32)

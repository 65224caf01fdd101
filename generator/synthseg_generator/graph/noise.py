"""Voxel noise of a sample: a pure function of the key that its parameters hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def draw_voxel_noise(noise_seed: Any, shape: Sequence[int]) -> tf.Tensor:
    """Standard normal noise; the same numbers for the same key, in eager and in graph mode.

    Compiled by XLA (`jit_compile`) TensorFlow 2.21 draws other numbers from the same key, whatever
    the algorithm, so what draws samples is never compiled so.

    Args:
        noise_seed: int32 `[2]`, `SampleParameters.noise_seed`.
        shape: Shape of the noise.

    Returns:
        float32 of that shape.
    """
    import tensorflow as tf

    # TensorFlow's default algorithm differs between devices; Philox does not.
    return tf.random.stateless_normal(shape, seed=noise_seed, alg="philox")

"""The network's last convolution apart from the rest, on TensorFlow.

Losses, scores and labels of a scan are computed from a part of its answer at a time, which is the
largest tensor of the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from synthseg_trainer.aliases import Tensor

if TYPE_CHECKING:
    import keras


def head_logits(
    head: keras.layers.Layer, features: Tensor, stem: int, subvoxels: Tensor | None = None
) -> Tensor:
    """Logits of the last convolution, of 1³, for some sub-voxels only.

    Args:
        head: The layer.
        features: `[b, x, y, z, feature]`, its input.
        stem: Edge of the blocks.
        subvoxels: int32 `[n]`, which to compute; `None` for all.

    Returns:
        float32 `[b, x, y, z, n, label]`.
    """
    width = head.kernel.shape[-2]
    kernel = tf.reshape(tf.convert_to_tensor(head.kernel), (width, stem**3, -1))
    bias = tf.reshape(tf.convert_to_tensor(head.bias), (stem**3, -1))
    if subvoxels is not None:
        kernel, bias = tf.gather(kernel, subvoxels, axis=1), tf.gather(bias, subvoxels)
    return tf.einsum("bxyzf,fnl->bxyznl", tf.cast(features, tf.float32), kernel) + bias

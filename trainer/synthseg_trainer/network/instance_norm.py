"""Instance normalisation, by one kernel where the backend has it."""

from __future__ import annotations

import keras
from keras import layers

from synthseg_trainer.aliases import Tensor


@keras.saving.register_keras_serializable("synthseg")
class InstanceNormalization(layers.GroupNormalization):  # type: ignore[misc]  # Keras ships no types
    """Each channel of each sample by its own mean and deviation, then scaled and shifted.

    On one sample that is batch normalisation in training, for which TensorFlow has a kernel: it
    takes half the time of Keras' steps, forth and back, and sums in float32 whatever the width.
    """

    def __init__(self, **kwargs: object) -> None:
        # One group per channel.
        super().__init__(**{**kwargs, "groups": -1})

    def call(self, volume: keras.KerasTensor) -> keras.KerasTensor:
        """Normalises `[batch, x, y, z, channel]`."""
        if keras.backend.backend() != "tensorflow" or volume.shape[0] is None:
            return super().call(volume)
        import tensorflow as tf

        parts = [self._normalize(part) for part in tf.split(volume, volume.shape[0])]
        return parts[0] if len(parts) == 1 else tf.concat(parts, 0)

    def _normalize(self, sample: Tensor) -> Tensor:
        import tensorflow as tf

        shape = tf.shape(sample)
        normalized, *_ = tf.compat.v1.nn.fused_batch_norm(
            tf.reshape(sample, (1, -1, 1, sample.shape[-1])),
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        return tf.reshape(normalized, shape)

"""Variables of a graph that is written first and given its values afterwards."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray


class LateVariables(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
    """What holds a network's weights, by name.

    In a graph to be saved, a value given to a variable would be stored once more, as an
    initialiser. There they begin as zeros, and `restore` gives them their values; computed at once
    they have them from the start.
    """

    def __init__(self, name: str) -> None:
        """Holds nothing yet.

        Args:
            name: As tensors are called after it.
        """
        super().__init__(name=name)
        self._values: dict[str, tf.Variable] = {}
        self._arrays: list[tuple[tf.Variable, FloatArray]] = []

    def restore(self, session: tf.compat.v1.Session) -> None:
        """Gives the variables of a graph their values."""
        for variable, array in self._arrays:
            session.run(variable.initializer, {variable.initializer.inputs[1]: array})

    def _variable(self, name: str, value: FloatArray) -> None:
        """Adds a variable, float32."""
        array = np.ascontiguousarray(value, np.float32)
        start = array if tf.executing_eagerly() else tf.zeros(array.shape)
        variable = tf.Variable(start, trainable=False, name=name.replace("/", "_"))
        self._values[name] = variable
        self._arrays.append((variable, array))

"""Variables that get their values once the graph is written."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from synthseg_serving.late_variables import LateVariables

VALUE = np.arange(1000, dtype=np.float64)


class _Weights(LateVariables):
    def __init__(self) -> None:
        super().__init__("weights")
        self._variable("layer/kernel", VALUE)
        self.kernel = self._values["layer/kernel"]


def test_computed_at_once_they_have_their_values() -> None:
    kernel = _Weights().kernel
    assert kernel.dtype == tf.float32
    np.testing.assert_array_equal(kernel.numpy(), VALUE)


def test_in_a_graph_they_are_zero_until_they_are_restored_and_the_graph_holds_no_copy() -> None:
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        weights = _Weights()
        session.run(tf.compat.v1.global_variables_initializer())
        assert not session.run(weights.kernel).any()
        weights.restore(session)
        np.testing.assert_array_equal(session.run(weights.kernel), VALUE)
        assert graph.as_graph_def().ByteSize() < VALUE.nbytes / 2

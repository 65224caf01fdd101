"""Voxel noise is a function of its key."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from synthseg_generator.graph.noise import draw_voxel_noise

SHAPE = (8, 9, 10, 2)


def test_the_same_key_gives_the_same_noise_in_eager_and_in_graph_mode() -> None:
    key = tf.constant([3, 5], tf.int32)
    eager = draw_voxel_noise(key, SHAPE).numpy()
    in_graph = tf.function(lambda k: draw_voxel_noise(k, SHAPE))
    np.testing.assert_array_equal(in_graph(key).numpy(), eager)
    assert eager.shape == SHAPE
    assert eager.dtype == np.float32


def test_another_key_gives_other_noise_of_the_same_kind() -> None:
    one, other = (draw_voxel_noise(tf.constant([3, n]), (32, 32, 32, 1)).numpy() for n in (5, 6))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02
    for noise in (one, other):
        assert abs(noise.mean()) < 0.02
        assert abs(noise.std() - 1) < 0.02

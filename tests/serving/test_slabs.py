"""A volume in slabs is read as the whole would be."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from synthseg_serving.slabs import Slabs, for_each_slab, keep_inside

VOLUME = np.random.default_rng(0).normal(size=(12, 2, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("margin", [0, 2])
def test_a_slab_comes_with_its_neighbours_and_zeros_beyond_the_ends(margin: int) -> None:
    slabs = Slabs.empty(tf.constant(3), tf.constant([2, 2, 3, 4]), channels=4)
    for index in range(3):
        slabs = slabs.write(tf.constant(index), tf.constant(VOLUME[4 * index : 4 * index + 4]))
    padded = np.pad(VOLUME, [(margin, margin), (0, 0), (0, 0), (0, 0)])
    for index in range(3):
        expected = padded[4 * index : 4 * index + 4 + 2 * margin]
        np.testing.assert_array_equal(slabs.read(tf.constant(index), margin), expected)


def test_every_slab_is_computed_once_in_its_order() -> None:
    def body(index: tf.Tensor, array: tf.TensorArray) -> tuple[tf.TensorArray]:
        return (array.write(index, tf.fill([2], index)),)

    (array,) = for_each_slab(tf.constant(3), body, (tf.TensorArray(tf.int32, 3),))
    np.testing.assert_array_equal(array.stack(), [[0, 0], [1, 1], [2, 2]])


@pytest.mark.parametrize("first", [-2, 0, 5, 9])
def test_rows_outside_the_volume_are_zero(first: int) -> None:
    rows = tf.ones([5, 1, 1, 1])
    found = keep_inside(rows, tf.constant(first), tf.constant(10)).numpy().ravel()
    assert found.tolist() == [float(0 <= first + row < 10) for row in range(5)]

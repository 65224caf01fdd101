from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from synthseg_serving.precision import BYTES, THRESHOLDS, restore, store, to_half

PROBABILITY = np.linspace(0, 1, 100_001, dtype=np.float32)


def test_stored_probabilities_come_back_to_1e_7() -> None:
    volume = np.resize(PROBABILITY, (10, 20, 30, 17))
    stored = store(tf.constant(volume))
    assert stored.dtype == tf.uint8
    assert stored.shape == (10, 20, 30, 17 * BYTES)
    found = restore(stored).numpy()
    np.testing.assert_allclose(found, volume, rtol=0, atol=1.2e-7)
    assert restore(store(tf.ones([1, 1, 1, 2]))).numpy().tolist() == [[[[1, 1]]]]


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_rounding_to_half_keeps_the_side_of_a_threshold(threshold: float) -> None:
    near = (threshold + np.linspace(-3e-4, 3e-4, 6001)).astype(np.float32)
    half = to_half(tf.constant(near)).numpy().astype(np.float32)
    np.testing.assert_array_equal(half > threshold, near > threshold)


def test_rounding_to_half_is_near() -> None:
    half = to_half(tf.constant(PROBABILITY)).numpy().astype(np.float32)
    assert np.abs(half - PROBABILITY).max() < 2.5e-4

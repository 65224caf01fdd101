"""Upsampling and convolution in one step."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from synthseg_serving.decoder import low_margin, parity_kernels, upsampled_convolution


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_equals_nearest_upsampling_then_convolution(size: int) -> None:
    rng = np.random.default_rng(size)
    low = rng.normal(size=(4, 5, 6, 3)).astype(np.float32)
    kernel = (rng.normal(size=(size, size, size, 3, 2)) / size**1.5).astype(np.float32)
    upsampled = low.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    expected = tf.nn.conv3d(upsampled[np.newaxis], kernel, [1] * 5, "SAME")[0]
    padded = np.pad(low, [low_margin(size)] * 3 + [(0, 0)])
    found = upsampled_convolution(padded, tf.constant(parity_kernels(kernel)), size)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_parity_kernels_keep_the_sum_of_the_taps() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 2, 2)).astype(np.float32)
    kernels = parity_kernels(kernel)
    assert kernels.shape == (8, 2, 2, 2, 2, 2)
    for parity in kernels:
        np.testing.assert_allclose(parity.sum((0, 1, 2)), kernel.sum((0, 1, 2)), atol=1e-5)

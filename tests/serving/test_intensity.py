"""Percentiles and rescaling equal NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from synthseg_serving.intensity import percentiles, rescale

RNG = np.random.default_rng(1)
IMAGES = {
    "normal": RNG.normal(0, 100, (13, 17, 19)),
    "negative": -RNG.uniform(1, 2, (9, 9, 9)),
    "many ties": RNG.integers(-2, 3, (11, 12, 13)),
    "mostly zero": np.where(RNG.uniform(size=(20, 20, 20)) > 0.99, 500.0, 0.0),
    "tiny and huge": RNG.choice([1e-30, -1e-30, 1e30, -1e30, 0.0], (8, 8, 8)),
    "two voxels": np.array([3.0, 7.0]).reshape(2, 1, 1),
    "one voxel": np.full((1, 1, 1), -4.0),
}


@pytest.mark.parametrize("name", IMAGES)
def test_percentiles_equal_numpys(name: str) -> None:
    image = IMAGES[name].astype(np.float32)
    percents = (0.5, 25.0, 99.5)
    found = tf.function(percentiles, autograph=False)(image, percents)
    expected = np.percentile(image.astype(np.float64), percents)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["normal", "negative", "many ties", "mostly zero"])
def test_rescale_maps_percentiles_to_0_and_1(name: str) -> None:
    image = IMAGES[name].astype(np.float32)
    low, high = np.percentile(image.astype(np.float64), (0.5, 99.5))
    expected = (np.clip(image, low, high) - low) / (high - low)
    np.testing.assert_allclose(tf.function(rescale, autograph=False)(image), expected, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, -3.5, 300.0, 7e8, -3e38])
def test_constant_image_becomes_zero_compiled_or_not(value: float) -> None:
    image = np.full((4, 5, 6), value, np.float32)
    for function in (rescale, tf.function(rescale, autograph=False)):
        np.testing.assert_array_equal(function(tf.constant(image)), np.zeros((4, 5, 6)))


@pytest.mark.parametrize("name", IMAGES)
def test_rescaled_images_lie_between_0_and_1_compiled_or_not(name: str) -> None:
    image = tf.constant(IMAGES[name], tf.float32)
    for function in (rescale, tf.function(rescale, autograph=False)):
        found = function(image).numpy()
        assert found.min() >= 0  # NaN is not
        assert found.max() <= 1


def test_rescale_does_not_see_scale_and_offset() -> None:
    image = IMAGES["normal"].astype(np.float32)
    np.testing.assert_allclose(rescale(3 * image + 50), rescale(image), atol=1e-5)

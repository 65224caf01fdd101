"""Checks inside a graph, in words."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from synthseg_serving.checks import at_network_grid, checked_image, checked_volume, scalar

SHAPE = tf.constant([30, 40, 50])


def test_what_fits_passes() -> None:
    assert scalar(tf.constant([True]), "flip").shape == ()
    assert checked_image(tf.ones((2, 3, 4))).shape == (2, 3, 4)
    labels = tf.zeros((32, 64, 64), tf.uint8)
    assert at_network_grid(labels, SHAPE, 128 * 64 * 64).shape == (32, 64, 64)


@pytest.mark.parametrize(
    ("shape", "most", "complaint"),
    [
        ((32, 64, 60), 128**3, "multiples of 32"),
        ((32, 32, 64), 128**3, "must cover the image"),
        # Short grids count as 128 long.
        ((32, 64, 64), 128 * 64 * 64 - 1, "voxels at most"),
    ],
)
def test_grids_that_do_not_fit_are_refused(
    shape: tuple[int, int, int], most: int, complaint: str
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=complaint):
        at_network_grid(tf.zeros(shape, tf.uint8), SHAPE, most)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 1), (0, 3, 4)])
def test_a_volume_has_three_axes_and_voxels(shape: tuple[int, ...]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="image must have 3 axes"):
        checked_volume(tf.zeros(shape), "image")


def test_an_image_of_other_than_numbers_is_refused() -> None:
    image = np.ones((2, 2, 2), np.float32)
    image[0, 0, 0] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match="every voxel of image"):
        checked_image(tf.constant(image))

"""Parcels against the same steps written out in another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain_networks
import pytest
import tensorflow as tf
from official_inputs import EDGE, everywhere, random_groups, weights_of
from synthseg_common import contract
from synthseg_common.arrays import FloatArray
from synthseg_common.parcels import PARCELS, PARCELS_PER_SIDE
from synthseg_serving.official.networks import PARCELLATION
from synthseg_serving.official.parcellation import Parcellator, divide


def test_parcels_come_from_image_no_cortex_and_cortex(weights_folder: Path) -> None:
    weights = weights_of(weights_folder, PARCELLATION.file)
    served = Parcellator(weights, {})
    image = np.random.default_rng(0).uniform(0, 1, (EDGE, EDGE, EDGE)).astype(np.float32)
    low, high = np.percentile(image, (0.5, 99.5))
    rescaled = ((np.clip(image, low, high) - low) / (high - low)).astype(np.float32)
    labels = np.where(random_groups(EDGE, EDGE, EDGE) == 1, 3, 2).astype(np.uint8)
    labels[EDGE // 2 :][labels[EDGE // 2 :] == 3] = 42
    cortex = np.isin(labels, (3, 42))
    shown = np.stack([rescaled, ~cortex, cortex], -1).astype(np.float32)
    posterior = plain_networks.unet(weights, "unet_parc", shown, everywhere)
    found = served.parcellate(
        tf.constant(image),
        tf.constant(labels),
        tf.constant(labels),
        tf.constant(False),
        tf.constant(True),
    )
    channels, sums = divided(posterior, side_of(labels), by_hemisphere=True)
    same = found[contract.PARCELS].numpy() == np.array(PARCELS.values)[channels]
    assert same.mean() > 0.999
    np.testing.assert_allclose(found[contract.PARCEL_VOXELS], sums, rtol=1e-3, atol=1e-2)


def side_of(labels: np.ndarray) -> np.ndarray:
    return np.select([labels == 3, labels == 42], [1, 2], 0).astype(np.uint8)


def divided(
    posterior: FloatArray, sides: np.ndarray, by_hemisphere: bool
) -> tuple[np.ndarray, np.ndarray]:
    """As the original divides, voxel by voxel; and each side by its own, where that is asked."""
    channels = np.zeros(sides.shape, int)
    sums = np.zeros(len(PARCELS))
    for voxel in np.ndindex(sides.shape):
        side, shares = sides[voxel], posterior[voxel].astype(np.float64)
        if side == 3:
            continue
        shares[0] = 0 if side in (1, 2) else 1
        if by_hemisphere and side == 1:
            shares[1 + PARCELS_PER_SIDE :] = 0
        if by_hemisphere and side == 2:
            shares[1 : 1 + PARCELS_PER_SIDE] = 0
        if shares.sum() > 0:
            sums[1:] += shares[1:] / shares.sum()
        if side in (1, 2):
            channels[voxel] = shares.argmax()
    return channels, sums


@pytest.mark.parametrize("by_hemisphere", [False, True])
def test_cortex_is_divided_as_the_original_does(by_hemisphere: bool) -> None:
    rng = np.random.default_rng(2)
    posterior = rng.dirichlet(np.full(len(PARCELS), 0.3), (3, 4, 5)).astype(np.float32)
    sides = rng.integers(0, 4, (3, 4, 5)).astype(np.uint8)
    found = divide(tf.constant(posterior), tf.constant(sides), tf.constant(by_hemisphere))
    channels, sums = divided(posterior, sides, by_hemisphere)
    np.testing.assert_array_equal(found[0], channels)
    np.testing.assert_allclose(found[1], sums, rtol=1e-5, atol=1e-6)


def test_cortex_where_no_parcel_is_likely_is_not_counted() -> None:
    posterior = np.zeros((1, 1, 2, len(PARCELS)), np.float32)
    sides = np.ones((1, 1, 2), np.uint8)
    found = divide(tf.constant(posterior), tf.constant(sides), tf.constant(True))
    np.testing.assert_array_equal(found[0], 1)
    np.testing.assert_array_equal(found[1], 0)

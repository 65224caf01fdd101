"""The chain, the parcels and the scores against the same steps written out in another way."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import plain_networks
import pytest
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.arrays import FloatArray
from synthseg_common.parcels import GROUP_OF_LABEL, PARCELS, PARCELS_PER_SIDE
from synthseg_serving.official.denoiser import DENOISER
from synthseg_serving.official.networks import PARCELLATION, QUALITY, ROBUST
from synthseg_serving.official.parcellation import Parcellator, divide
from synthseg_serving.official.quality import Scorer, framed, groups_of, largest_scored_size
from synthseg_serving.official.robust import RobustSegmenter
from synthseg_serving.official.weights import inspect_weights
from synthseg_trainer.aliases import Weights

EDGE = 32


def weights_of(folder: Path, file: str) -> Weights:
    return inspect_weights(folder / file).read()


@pytest.fixture(scope="module")
def robust(weights_folder: Path) -> tuple[RobustSegmenter, Weights]:
    weights = weights_of(weights_folder, ROBUST.file)
    return RobustSegmenter(weights, {}), weights


@pytest.fixture(scope="module")
def quality(weights_folder: Path) -> tuple[Scorer, Weights]:
    weights = weights_of(weights_folder, QUALITY.file)
    return Scorer(weights, {}), weights


def everywhere(_level: int) -> bool:
    return True


def random_groups(*shape: int) -> np.ndarray:
    """Labels in blocks, so that a network sees something like anatomy."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 5, [-(-n // 4) for n in shape])
    for axis in range(3):
        blocks = blocks.repeat(4, axis)
    return blocks[: shape[0], : shape[1], : shape[2]]


def one_hot(groups: np.ndarray, count: int) -> FloatArray:
    return np.asarray(np.eye(count, dtype=np.float32)[groups])


def assert_close(found: tf.Tensor, expected: FloatArray) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-4)


def test_robust_chain_is_its_three_networks(robust: tuple[RobustSegmenter, Weights]) -> None:
    served, weights = robust
    image = np.random.default_rng(0).uniform(size=(EDGE, EDGE, EDGE, 1)).astype(np.float32)
    rough = plain_networks.unet(weights, "unet", image, everywhere)
    assert_close(served.rough.probabilities(tf.constant(image)), rough)
    groups = random_groups(EDGE, EDGE, EDGE)
    shown = one_hot(groups, DENOISER.n_labels)
    # Of its skip connections only the two deepest exist.
    mended = plain_networks.unet(weights, "l2l", shown, lambda level: level >= 2)
    assert_close(served.denoiser.probabilities(tf.constant(shown)), mended)
    six = np.concatenate([image, one_hot(mended.argmax(-1), DENOISER.n_labels)], -1)
    final = plain_networks.unet(weights, "unet2", six, everywhere)
    assert_close(served.unet.probabilities(tf.constant(six)), final)


def test_between_the_networks_travel_label_maps(robust: tuple[RobustSegmenter, Weights]) -> None:
    served, _ = robust
    image = np.random.default_rng(0).uniform(size=(EDGE, EDGE, EDGE, 1)).astype(np.float32)
    rough = served.rough_groups(tf.constant(image))
    assert rough.dtype == tf.uint8
    expected = served.rough.probabilities(tf.constant(image)).numpy().argmax(-1)
    assert (rough.numpy() == expected).mean() > 0.999
    shown = served.network_input(tf.constant(image)).numpy()
    np.testing.assert_array_equal(shown[..., :1], image)
    mended = served.denoised_groups(rough).numpy()
    np.testing.assert_array_equal(shown[..., 1:], one_hot(mended, DENOISER.n_labels))


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


def in_a_cube(labels: np.ndarray, size: int, unframed: int) -> np.ndarray:
    """Section 6 of the original's facts, in NumPy."""
    held = np.argwhere((labels > 0) & (labels != unframed))
    shape = np.array(labels.shape)
    low = held.min(0) if len(held) else np.zeros(3, int)
    high = held.max(0) + 1 if len(held) else np.minimum(shape, size)
    missing = size - (high - low)
    low, high = low - -(-missing // 2), high + missing // 2
    part = labels[tuple(slice(max(a, 0), b) for a, b in zip(low, high, strict=True))]
    edges = [(max(-a, 0), max(b - n, 0)) for a, b, n in zip(low, high, shape, strict=True)]
    return np.pad(part, edges)


@pytest.mark.parametrize(
    ("shape", "box"),
    list(
        itertools.product(
            [(20, 31, 16), (40, 40, 40)], [(2, 9), (0, 16), (7, 15), (0, 40), (3, 31), (9, 9)]
        )
    ),
    ids=str,
)
def test_brain_is_framed_as_the_original_does(
    shape: tuple[int, int, int], box: tuple[int, int]
) -> None:
    size, unframed = 16, 24
    labels = np.zeros(shape, np.int32)
    labels[0, 0, 0] = labels[-1, -1, -1] = unframed
    inside = tuple(slice(box[0], box[1] - axis) for axis in range(3))
    labels[inside] = np.arange(1, 1 + labels[inside].size).reshape(labels[inside].shape) % 17 + 1
    cube = framed(tf.constant(labels), tf.constant(size), tf.constant(unframed)).numpy()
    assert cube.shape == (size,) * 3
    np.testing.assert_array_equal(cube, in_a_cube(labels, size, unframed))


PLACES = {
    "everywhere": (0, 64),
    "in the middle": (28, 36),
    "one voxel": (33, 34),
    "in a corner": (0, 9),
    "in the far corner": (51, 64),
    "near a face": (5, 20),
    "nowhere": (0, 0),
}


@pytest.mark.parametrize(
    ("place", "size"),
    [
        *((place, 64) for place in PLACES),
        ("everywhere", 16),
        ("in a corner", 32),
        ("one voxel", 48),
    ],
)
def test_scores_from_where_something_is_are_those_of_the_whole_cube(
    quality: tuple[Scorer, Weights], place: str, size: int
) -> None:
    served, weights = quality
    begin, end = PLACES[place]
    groups = np.zeros((size, size, size), np.int32)
    held = tuple(slice(begin, end - shorter) for shorter in (0, 0, end // 40))
    groups[held] = (2 * random_groups(size, size, size) % 9)[held]
    raw = served.raw_scores(tf.constant(groups), tf.constant(size))
    expected = plain_networks.quality(weights, one_hot(groups, 9))
    np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-5)


def test_every_label_has_its_group() -> None:
    values = np.array(sorted(GROUP_OF_LABEL), np.int32)
    found = groups_of(tf.constant(values)).numpy()
    assert dict(zip(values.tolist(), found.tolist(), strict=True)) == GROUP_OF_LABEL


def test_largest_cube_is_what_the_model_takes() -> None:
    assert largest_scored_size(contract.DEFAULT_MAX_VOXELS) == 320
    assert largest_scored_size(224**3 - 1) == 208
    assert largest_scored_size(1024**3) == contract.LARGEST_SCORED_SIZE

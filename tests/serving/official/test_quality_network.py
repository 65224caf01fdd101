"""Scores against the same network computed whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain_networks
import pytest
import tensorflow as tf
from official_inputs import one_hot, random_groups, weights_of
from synthseg_serving.official.networks import QUALITY
from synthseg_serving.official.quality import Scorer
from synthseg_trainer.aliases import Weights


@pytest.fixture(scope="module")
def quality(weights_folder: Path) -> tuple[Scorer, Weights]:
    weights = weights_of(weights_folder, QUALITY.file)
    return Scorer(weights, {}), weights


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

"""The robust chain against its three networks written out in another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain_networks
import pytest
import tensorflow as tf
from official_inputs import EDGE, assert_close, everywhere, one_hot, random_groups, weights_of
from synthseg_serving.official.denoiser import DENOISER
from synthseg_serving.official.networks import ROBUST
from synthseg_serving.official.robust import RobustSegmenter
from synthseg_trainer.aliases import Weights


@pytest.fixture(scope="module")
def robust(weights_folder: Path) -> tuple[RobustSegmenter, Weights]:
    weights = weights_of(weights_folder, ROBUST.file)
    return RobustSegmenter(weights, {}), weights


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

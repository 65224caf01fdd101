"""What a network takes over from another, and which other is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from synthseg_common.labels import SYNTHSEG_V1, SegmentationLabels
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import assign_weights, load_bundle, weights_of
from synthseg_trainer.network.unet import build_unet
from synthseg_trainer.runs.initial import initial_weights

HEAD = "unet_likelihood/"
NETWORK = NetworkSettings(n_labels=32, features=4, n_levels=3)


def first_labels(count: int) -> SegmentationLabels:
    """A shorter table, all of it in the middle."""
    return dataclasses.replace(
        SYNTHSEG_V1,
        values=SYNTHSEG_V1.values[:count],
        names=SYNTHSEG_V1.names[:count],
        topology_classes=SYNTHSEG_V1.topology_classes[:count],
        flip_channels=tuple(range(count)),
    )


def test_a_network_of_the_same_labels_is_taken_whole(small_bundle: Path) -> None:
    taken = initial_weights(weights_of(build_unet(NETWORK)), NETWORK, SYNTHSEG_V1, small_bundle)
    given = load_bundle(small_bundle).weights
    assert taken.keys() == given.keys()
    for name, value in given.items():
        np.testing.assert_array_equal(taken[name], value)


def test_with_other_labels_the_last_layer_keeps_its_own(small_bundle: Path) -> None:
    network = dataclasses.replace(NETWORK, n_labels=3)
    own = weights_of(build_unet(network))
    taken = initial_weights(own, network, first_labels(3), small_bundle)
    given = load_bundle(small_bundle).weights
    assert taken.keys() == own.keys()
    for name, value in taken.items():
        expected = own if name.startswith(HEAD) else given
        np.testing.assert_array_equal(value, expected[name])


def test_a_wider_network_takes_it_over(small_bundle: Path) -> None:
    network = dataclasses.replace(NETWORK, features=6, detail_features=3)
    model = build_unet(network)
    taken = initial_weights(weights_of(model), network, SYNTHSEG_V1, small_bundle)
    assign_weights(model, taken)
    narrow = build_unet(NETWORK)
    assign_weights(narrow, load_bundle(small_bundle).weights)
    image = np.random.default_rng(0).random((1, 8, 8, 12, 1)).astype(np.float32)
    np.testing.assert_allclose(model(image), narrow(image), rtol=1e-4, atol=1e-4)


def test_a_wider_network_with_other_labels_draws_its_last_layer(small_bundle: Path) -> None:
    network = dataclasses.replace(NETWORK, features=6, n_labels=2)
    own = weights_of(build_unet(network))
    taken = initial_weights(own, network, first_labels(2), small_bundle)
    np.testing.assert_array_equal(taken[f"{HEAD}kernel"], own[f"{HEAD}kernel"])
    given = load_bundle(small_bundle).weights["unet_conv_downarm_0_0/kernel"]
    np.testing.assert_array_equal(taken["unet_conv_downarm_0_0/kernel"][..., :4], given)


def test_another_network_is_refused_by_what_differs(small_bundle: Path) -> None:
    network = dataclasses.replace(NETWORK, features=3, normalization="instance")
    with pytest.raises(CheckpointError, match=r"features 4 instead of 3, normalization batch"):
        initial_weights({}, network, SYNTHSEG_V1, small_bundle)

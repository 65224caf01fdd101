"""Which served form a network has, and what a norm of each scan's own means for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import pytest
import tensorflow as tf
from synthseg_serving.instance_unet import InstanceNormUnet, served_unet
from synthseg_serving.unet import ServedUnet
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import Bundle

NETWORK = NetworkSettings(n_labels=33, features=2, n_levels=2)


@pytest.mark.parametrize(
    ("normalization", "kind"), [("batch", ServedUnet), ("instance", InstanceNormUnet)]
)
def test_the_normalisation_chooses_the_served_form(
    normalization: Literal["batch", "instance"],
    kind: type[ServedUnet],
    make_bundle: Callable[..., Bundle],
) -> None:
    trained = make_bundle(dataclasses.replace(NETWORK, normalization=normalization))
    served = served_unet(trained.network, trained.weights, trained.labels.flip_channels)
    assert type(served) is kind


@pytest.mark.parametrize(("normalization", "changes"), [("batch", False), ("instance", True)])
def test_statistics_are_those_of_the_whole_scan(
    normalization: Literal["batch", "instance"],
    changes: bool,
    make_bundle: Callable[..., Bundle],
) -> None:
    """What lies far beyond the reach of the convolutions changes an answer through them alone."""
    trained = make_bundle(dataclasses.replace(NETWORK, normalization=normalization))
    served = served_unet(trained.network, trained.weights, trained.labels.flip_channels)
    volume = tf.random.stateless_uniform([96, 32, 32, 1], [1, 2])
    other = tf.concat([volume[:64], 10 * volume[64:]], 0)
    first, second = (
        served.probabilities_in_slabs(v, margin=0, mirrored=False)[0](tf.constant(0))
        for v in (volume, other)
    )
    assert bool(tf.reduce_any(tf.abs(first - second) > 1e-4)) is changes

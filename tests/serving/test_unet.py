"""The served network gives the trained one's numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_serving.errors import ExportError
from synthseg_serving.instance_unet import served_unet
from synthseg_serving.official.export import read_official
from synthseg_serving.unet import ACTIVATIONS as SERVED_ACTIVATIONS
from synthseg_serving.unet import ServedUnet
from synthseg_serving.variables import variable_shapes
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.config.network import ACTIVATIONS
from synthseg_trainer.network.bundle import Bundle, assign_weights, weights_of
from synthseg_trainer.network.unet import build_unet

NETWORKS: dict[str, dict[str, Any]] = {
    "original shape": {"n_levels": 5, "features": 3},
    "half resolution": {"n_levels": 4, "features": 4, "stem": 2},
    "quarter resolution": {"n_levels": 3, "features": 4, "stem": 4},
    "two levels, one convolution": {"n_levels": 2, "features": 4, "convs_per_level": 1},
    "three convolutions": {"n_levels": 3, "features": 3, "convs_per_level": 3},
    "bounded features": {"n_levels": 4, "features": 4, "max_features": 8},
    "kernel of 5": {"n_levels": 3, "features": 3, "kernel_size": 5},
    "instance normalisation": {"n_levels": 3, "features": 4, "normalization": "instance"},
    "instance normalisation, half resolution": {
        "n_levels": 3,
        "features": 4,
        "stem": 2,
        "normalization": "instance",
    },
    "details": {"n_levels": 3, "features": 4, "detail_features": 5},
    "details, half resolution": {"n_levels": 4, "features": 4, "stem": 2, "detail_features": 6},
    "details, kernel of 5": {"n_levels": 2, "features": 3, "kernel_size": 5, "detail_features": 2},
    "details, instance normalisation, half resolution": {
        "n_levels": 3,
        "features": 4,
        "stem": 2,
        "normalization": "instance",
        "detail_features": 6,
    },
    "kernel of 1": {"n_levels": 3, "features": 3, "kernel_size": 1, "activation": "relu"},
}


def settings(name: str) -> NetworkSettings:
    return NetworkSettings(n_labels=33, **NETWORKS[name])


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_keras_network(name: str, make_bundle: Callable[..., Bundle]) -> None:
    network = settings(name)
    trained = make_bundle(network, seed=3)
    model = build_unet(network)
    assign_weights(model, trained.weights)
    volume = np.random.default_rng(2).uniform(0, 1, (96, 32, 32, 1)).astype(np.float32)
    # Random networks differ in the size of their logits: bring it to 1.
    spread = float(tf.math.reduce_std(model(volume[np.newaxis], training=False)))
    weights = {k: v / spread if "likelihood" in k else v for k, v in trained.weights.items()}
    assign_weights(model, weights)
    expected = tf.nn.softmax(model(volume[np.newaxis], training=False))[0].numpy()
    served = served_unet(network, weights, SYNTHSEG_V2.flip_channels)
    for margin in (0, 1):
        found = tf.function(in_slabs, autograph=False)(served, volume, margin)
        padded = np.pad(expected, [(margin, margin), (0, 0), (0, 0), (0, 0)])
        for first, slab in zip((0, 32, 64), found, strict=True):
            rows = padded[first : first + 32 + 2 * margin]
            np.testing.assert_allclose(slab, rows, rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_instance_normalisation_of_a_constant_volume_is_finite(
    value: float, make_bundle: Callable[..., Bundle]
) -> None:
    network = settings("instance normalisation")
    weights = make_bundle(network, seed=3).weights
    served = served_unet(network, weights, SYNTHSEG_V2.flip_channels)
    volume = np.full((32, 32, 32, 1), value, np.float32)
    found = tf.function(in_slabs, autograph=False)(served, volume, 0)
    np.testing.assert_allclose(tf.reduce_sum(found, -1), 1, atol=1e-5)


def test_every_activation_of_the_settings_can_be_served_as_keras_computes_it() -> None:
    assert set(SERVED_ACTIVATIONS) == set(ACTIVATIONS)
    values = np.linspace(-3, 3, 13, dtype=np.float32)
    for name, function in SERVED_ACTIVATIONS.items():
        expected = keras.activations.get(name)(values)
        np.testing.assert_allclose(function(values), expected, atol=1e-6, err_msg=name)


def in_slabs(served: ServedUnet, volume: np.ndarray, margin: int) -> tf.Tensor:
    slab, count = served.probabilities_in_slabs(volume, margin, mirrored=False)
    return tf.map_fn(slab, tf.range(count), fn_output_signature=tf.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_expected_variables_are_the_networks(name: str) -> None:
    found = {key: value.shape for key, value in weights_of(build_unet(settings(name))).items()}
    assert variable_shapes(settings(name)) == found


def test_mirrored_pass_answers_the_other_sides_channels(make_bundle: Callable[..., Bundle]) -> None:
    trained = make_bundle()
    served = ServedUnet(trained.network, trained.weights, trained.labels.flip_channels)
    volume = tf.random.stateless_uniform([32, 32, 32, 1], [1, 2])
    plain, _ = served.probabilities_in_slabs(volume, margin=0, mirrored=False)
    mirrored, _ = served.probabilities_in_slabs(volume, margin=0, mirrored=True)
    expected = tf.gather(plain(tf.constant(0)), trained.labels.flip_channels, axis=-1)
    np.testing.assert_allclose(mirrored(tf.constant(0)), expected, atol=1e-6)


def test_original_weights_give_the_originals_probabilities(shared_data: Path) -> None:
    models = shared_data / "reference" / "models"
    trained = read_official(models / "random_v1_weights.h5")
    served = ServedUnet(trained.network, trained.weights, trained.labels.flip_channels)
    with np.load(models / "random_v1_probe.npz") as probe:
        found = tf.function(served.probabilities, autograph=False)(probe["x"][0])
        np.testing.assert_allclose(found[::2, ::2, ::2], probe["y"][0], atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_levels": 7}, "multiples of 64"),
        ({"stem": 8, "n_levels": 2, "kernel_size": 5}, "slabs of 4 rows"),
    ],
)
def test_networks_that_cannot_be_served_are_refused(
    changed: dict[str, Any], message: str, make_bundle: Callable[..., Bundle]
) -> None:
    network = NetworkSettings(**{"n_labels": 33, "features": 2, "n_levels": 3, **changed})
    trained = make_bundle(network)
    with pytest.raises(ExportError, match=message):
        ServedUnet(network, trained.weights, trained.labels.flip_channels)

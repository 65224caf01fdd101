from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.unet import Convolution, build_unet


@pytest.mark.parametrize(("n_labels", "parameters"), [(32, 13_242_824), (33, 13_242_849)])
def test_released_network_has_the_official_number_of_parameters(
    n_labels: int, parameters: int
) -> None:
    assert build_unet(NetworkSettings(n_labels=n_labels)).count_params() == parameters


def test_layers_carry_the_official_names(shared_data: Path) -> None:
    listing = (shared_data / "reference" / "models" / "v1_layers.txt").read_text().splitlines()
    official = [line.split()[0] for line in listing if " params=" in line]
    ours = [layer.name for layer in build_unet(NetworkSettings(n_labels=32)).layers]
    # The softmax is part of the losses and of the served graph here, not of the network.
    assert sorted(ours) == sorted(name for name in official if name != "unet_prediction")


@pytest.mark.parametrize("stem", [1, 2])
def test_answer_has_the_shape_of_the_image(stem: int) -> None:
    settings = NetworkSettings(n_labels=5, features=2, n_levels=3, stem=stem)
    size = settings.size_multiple
    answer = build_unet(settings)(np.zeros((1, size, 2 * size, size, 1), np.float32))
    assert tuple(answer.shape) == (1, size, 2 * size, size, 5)


def test_instance_normalization_does_not_mind_the_brightness_of_the_scan() -> None:
    settings = NetworkSettings(n_labels=3, features=4, n_levels=2, normalization="instance")
    model = build_unet(settings)
    features = model.get_layer("unet_bn_down_0")
    volume = np.random.default_rng(0).random((1, 8, 8, 8, 4), np.float32)
    np.testing.assert_allclose(features(volume * 50), features(volume), atol=5e-2)


def test_bias_learns_in_half_the_width_what_it_learns_in_full() -> None:
    volume = np.random.default_rng(0).normal(size=(1, 48, 48, 48, 2)).astype(np.float32)
    upstream = np.random.default_rng(1).normal(0.05, 1, (1, 48, 48, 48, 4)).astype(np.float32)
    kernel = np.random.default_rng(2).normal(size=(3, 3, 3, 2, 4)).astype(np.float32)

    def bias_gradient(precision: str) -> FloatArray:
        layer = Convolution(4, 3, padding="same", activation="elu", dtype=precision)
        layer.build(volume.shape)
        layer.kernel.assign(kernel)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(volume), tf.float32) * upstream)
        return np.asarray(tape.gradient(loss, layer.trainable_variables[1]))

    exact, half = bias_gradient("float32"), bias_gradient("mixed_bfloat16")
    np.testing.assert_allclose(half, exact, rtol=0.02, atol=0.01 * np.abs(exact).max())

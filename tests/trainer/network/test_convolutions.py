import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from synthseg_common.arrays import FloatArray
from synthseg_trainer.network.convolutions import Convolution, UpConvolution


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


def _joined_by_steps(skip_channels: int, low_channels: int) -> tuple[keras.Model, keras.Model]:
    """Upsampling, joining and convolving: in one layer, and in three; the same random weights."""
    keras.utils.set_random_seed(0)
    skip = keras.Input((None, None, None, skip_channels))
    low = keras.Input((None, None, None, low_channels))
    one = keras.Model([skip, low], UpConvolution(5, "elu")([skip, low]))
    joined = layers.Concatenate()([skip, layers.UpSampling3D(2)(low)])
    three = keras.Model([skip, low], Convolution(5, 3, padding="same", activation="elu")(joined))
    one.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in one.get_weights()])
    three.set_weights(one.get_weights())
    return one, three


def test_one_layer_answers_and_learns_what_upsampling_joining_and_convolving_do() -> None:
    one, three = _joined_by_steps(3, 4)
    rng = np.random.default_rng(1)
    volumes = [
        tf.constant(rng.normal(size=(2, *shape)), tf.float32)
        for shape in ((8, 6, 4, 3), (4, 3, 2, 4))
    ]
    upstream = rng.normal(size=(2, 8, 6, 4, 5)).astype(np.float32)

    def answer_and_gradients(model: keras.Model) -> list[FloatArray]:
        with tf.GradientTape() as tape:
            tape.watch(volumes)
            answer = model(volumes)
            loss = tf.reduce_sum(answer * upstream)
        gradients = tape.gradient(loss, [*model.trainable_variables, *volumes])
        return [np.asarray(tensor) for tensor in (answer, *gradients)]

    for found, expected in zip(answer_and_gradients(one), answer_and_gradients(three), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_in_half_the_width_it_rounds_as_the_three_steps_do() -> None:
    exact, _ = _joined_by_steps(3, 4)
    half = UpConvolution(5, "elu", dtype="mixed_bfloat16")
    volumes = [
        np.random.default_rng(1).normal(size=shape).astype(np.float32)
        for shape in ((1, 8, 8, 8, 3), (1, 4, 4, 4, 4))
    ]
    half.build([volume.shape for volume in volumes])
    half.set_weights(exact.get_weights())
    answer = np.asarray(tf.cast(half(volumes), tf.float32))
    expected = np.asarray(exact(volumes))
    assert half.kernel.dtype == "float32"
    assert np.abs(answer - expected).max() < 0.02 * np.abs(expected).max()


def test_it_is_built_again_from_what_it_says_of_itself() -> None:
    layer = UpConvolution(5, "elu", name="joined")
    again = UpConvolution.from_config(layer.get_config())
    assert (again.name, again.filters) == ("joined", 5)
    assert again.activation is keras.activations.elu


@pytest.mark.parametrize("kernel_size", [1, 5])
def test_networks_of_other_kernels_join_in_steps(kernel_size: int) -> None:
    from synthseg_trainer.config import NetworkSettings
    from synthseg_trainer.network.unet import build_unet

    model = build_unet(NetworkSettings(n_labels=3, features=2, n_levels=2, kernel_size=kernel_size))
    assert not any(isinstance(layer, UpConvolution) for layer in model.layers)
    assert model(np.zeros((1, 4, 4, 4, 1), np.float32)).shape == (1, 4, 4, 4, 3)

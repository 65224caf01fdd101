import keras
import numpy as np
import pytest
import tensorflow as tf
from compiled import finite_in_every_way
from keras import layers
from synthseg_trainer.network.instance_norm import InstanceNormalization

RNG = np.random.default_rng(0)
# Far from zero, as features are after a convolution with a bias.
VOLUME = RNG.normal(3, 2, (2, 12, 10, 8, 5)).astype(np.float32)
UPSTREAM = RNG.normal(size=VOLUME.shape).astype(np.float32)
WEIGHTS = [RNG.uniform(0.5, 2, 5).astype(np.float32), RNG.normal(size=5).astype(np.float32)]


def _forth_and_back(layer: keras.layers.Layer) -> list[tf.Tensor]:
    layer.build(VOLUME.shape)
    layer.set_weights(WEIGHTS)
    volume = tf.constant(VOLUME)
    with tf.GradientTape() as tape:
        tape.watch(volume)
        answer = layer(volume)
        loss = tf.reduce_sum(tf.cast(answer, tf.float32) * UPSTREAM)
    return [answer, *tape.gradient(loss, [volume, *layer.trainable_variables])]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.02)])
def test_values_and_gradients_are_those_of_one_group_per_channel(
    precision: str, tolerance: float
) -> None:
    ours = _forth_and_back(InstanceNormalization(epsilon=1e-3, dtype=precision))
    expected = _forth_and_back(layers.GroupNormalization(groups=-1, epsilon=1e-3))
    for mine, theirs in zip(ours, expected, strict=True):
        reach = tolerance * np.abs(theirs).max()
        np.testing.assert_allclose(tf.cast(mine, tf.float32), theirs, atol=reach)


def test_weights_carry_the_names_that_they_had() -> None:
    layer = InstanceNormalization(name="unet_bn_down_0")
    layer.build(VOLUME.shape)
    assert [weight.name for weight in layer.weights] == ["gamma", "beta"]


@pytest.mark.parametrize("shape", [(1, 6, 6, 6, 2), (2, 1, 1, 1, 2)], ids=["volume", "one voxel"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_constant_volume_becomes_the_shift_however_it_is_compiled(
    shape: tuple[int, int, int, int, int], precision: str
) -> None:
    layer = InstanceNormalization(epsilon=1e-3, dtype=precision)
    layer.build(shape)
    layer.set_weights([np.array([1, 2], np.float32), np.array([0.5, -0.5], np.float32)])

    def forth_and_back(volume: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(volume)
            answer = tf.cast(layer(volume), tf.float32)
        return answer, tape.gradient(answer, volume)

    answer, _ = finite_in_every_way(forth_and_back, np.full(shape, 1000.25, np.float32), atol=1e-2)
    np.testing.assert_allclose(answer, np.broadcast_to([0.5, -0.5], shape), atol=1e-2)

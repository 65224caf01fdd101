import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_generator.settings.generator import Crop, GeneratorSettings
from synthseg_trainer.config import AdamSettings, NetworkSettings, Stage, TrainSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import weights_of
from synthseg_trainer.training.learner import Learner

SETTINGS = TrainSettings(
    store="none.zarr",
    network=NetworkSettings(n_labels=3, features=2, n_levels=2, normalization="instance"),
    stages=(Stage(name="s", steps=1, generator=GeneratorSettings(crop=Crop(shape=(8, 8, 8)))),),
)


def _learner(**changes: Any) -> Learner:
    settings = dataclasses.replace(SETTINGS, **changes)
    return Learner(settings, tf.distribute.get_strategy())


def _gradients(learner: Learner, scale: float = 1.0) -> list[tf.Tensor]:
    return [tf.fill(v.shape, tf.constant(scale, tf.float32)) for v in learner.variables]


def _step(learner: Learner, gradients: list[tf.Tensor]) -> None:
    learner.apply(gradients)
    learner.update_average()


def _mean_gradients(learner: Learner) -> list[FloatArray]:
    """What the optimizer took as gradients at its first step."""
    return [v.numpy() / 0.1 for v in learner.optimizer.variables if "momentum" in v.path]


def test_gradients_longer_than_the_bound_are_shortened_to_it() -> None:
    learner = _learner(adam=AdamSettings(clip_norm=0.5))
    learner.apply(_gradients(learner))
    assert np.sqrt(sum(np.sum(g**2) for g in _mean_gradients(learner))) == pytest.approx(0.5)


def test_shorter_gradients_stay() -> None:
    learner = _learner(adam=AdamSettings(clip_norm=1e3))
    learner.apply(_gradients(learner))
    assert all(np.allclose(gradient, 1) for gradient in _mean_gradients(learner))


def test_weights_decay_by_the_rate_and_biases_stay() -> None:
    learner = _learner(adam=AdamSettings(weight_decay=0.5))
    learner.optimizer.learning_rate.assign(0.1)
    before = [v.numpy() for v in learner.variables]
    learner.apply(_gradients(learner, 0.0))
    for old, variable in zip(before, learner.variables, strict=True):
        share = 0.95 if old.ndim > 1 else 1.0
        np.testing.assert_allclose(variable.numpy(), share * old, rtol=1e-6)


def test_settings_of_adam_are_the_optimizer_s() -> None:
    optimizer = _learner(adam=AdamSettings(beta_1=0.8, beta_2=0.9, epsilon=0.1)).optimizer
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.8, 0.9, 0.1)


def test_forgotten_moments_are_those_of_a_new_optimizer() -> None:
    learner, new = _learner(), _learner()
    learner.apply(_gradients(learner))
    learner.forget_moments()
    learner.optimizer.learning_rate.assign(new.optimizer.learning_rate)
    for ours, theirs in zip(learner.state(), new.state(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_averaged_weights_are_given_out_and_the_last_ones_trained_on() -> None:
    learner = _learner(average_decay=0.75)
    first = weights_of(learner.model)
    _step(learner, _gradients(learner))
    last, averaged = weights_of(learner.model), learner.weights()
    name = "unet_likelihood/kernel"
    assert np.all(last[name] != first[name])
    np.testing.assert_allclose(averaged[name], 0.75 * first[name] + 0.25 * last[name], rtol=1e-5)
    np.testing.assert_array_equal(weights_of(learner.model)[name], last[name])


@pytest.mark.parametrize("average_decay", [None, 0.9])
def test_a_restored_learner_goes_on_to_the_bit(average_decay: float | None) -> None:
    learner, other = (_learner(average_decay=average_decay) for _ in range(2))
    _step(learner, _gradients(learner))
    other.restore(learner.weights(), learner.state())
    for one in (learner, other):
        _step(one, _gradients(one, 0.5))
    for name, value in learner.weights().items():
        np.testing.assert_array_equal(other.weights()[name], value)
    for ours, theirs in zip(learner.state(), other.state(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_state_of_another_optimizer_is_refused() -> None:
    learner = _learner()
    with pytest.raises(CheckpointError, match="the optimizer has 2 variables, expected"):
        learner.restore(learner.weights(), learner.state()[:2])


def test_half_width_scales_the_loss_and_leaves_overflows_out() -> None:
    learner = _learner(precision="mixed_float16")
    assert learner.skips_overflows
    assert float(learner.optimizer.scale_loss(tf.constant(1.0))) > 1
    before = learner.weights()
    learner.apply(_gradients(learner, np.inf))
    for name, value in learner.weights().items():
        np.testing.assert_array_equal(value, before[name])
    learner.forget_moments()
    assert float(learner.optimizer.scale_loss(tf.constant(1.0))) > 1


def test_the_policy_of_a_run_is_not_left_behind() -> None:
    _learner(precision="mixed_bfloat16")
    assert keras.mixed_precision.global_policy().name == "float32"

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_generator.settings.generator import Crop, GeneratorSettings
from synthseg_trainer.config import AdamSettings, NetworkSettings, Stage, TrainSettings
from synthseg_trainer.errors import ConfigError
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.training.learner import Learner

RATE = 0.01
CROP = Crop(shape=(8, 8, 8))
SETTINGS = TrainSettings(
    store="none.zarr",
    network=NetworkSettings(n_labels=3, features=4, n_levels=2),
    stages=(Stage(name="s", steps=1, learning_rate=RATE, generator=GeneratorSettings(crop=CROP)),),
)


def _steps(count: int, **changes: Any) -> dict[str, FloatArray]:
    """How far some steps along random gradients move each weight, by layer and variable."""
    learner = Learner(dataclasses.replace(SETTINGS, **changes), tf.distribute.get_strategy())
    before = learner.weights()
    rng = np.random.default_rng(0)
    for _ in range(count):
        learner.apply(
            [tf.constant(rng.normal(size=v.shape), tf.float32) for v in learner.variables]
        )
    return {name: value - before[name] for name, value in learner.weights().items()}


def _is_kernel(name: str, moved: FloatArray) -> bool:
    return moved.ndim == 5 and not name.startswith(LOGITS)


def test_muon_moves_all_singular_directions_of_a_kernel_alike() -> None:
    kernels = {n: m for n, m in _steps(1, optimizer="muon").items() if _is_kernel(n, m)}
    assert len(kernels) == 6
    for moved in kernels.values():
        matrix = moved.reshape(-1, moved.shape[-1])
        lengths = np.linalg.svd(matrix, compute_uv=False)
        expected = RATE * 0.2 * np.sqrt(max(matrix.shape))
        assert 0.5 * expected < lengths.min() <= lengths.max() < 1.4 * expected


def test_under_muon_all_but_kernels_moves_as_under_adam() -> None:
    adam, muon = _steps(3), _steps(3, optimizer="muon")
    others = [name for name, moved in adam.items() if not _is_kernel(name, moved)]
    assert f"{LOGITS}/kernel" in others
    for name in others:
        np.testing.assert_allclose(muon[name], adam[name], atol=1e-6)


def test_muon_decays_kernels_and_leaves_biases() -> None:
    plain = _steps(1, optimizer="muon")
    decayed = _steps(1, optimizer="muon", adam=AdamSettings(weight_decay=0.5))
    for name, moved in plain.items():
        assert np.array_equal(decayed[name], moved) == (moved.ndim == 1)


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optimizer must be adam or muon, got 'sgd'"):
        dataclasses.replace(SETTINGS, optimizer="sgd")

"""Inputs of the released networks for tests, and their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_serving.official.weights import inspect_weights
from synthseg_trainer.aliases import Weights

EDGE = 32


def weights_of(folder: Path, file: str) -> Weights:
    return inspect_weights(folder / file).read()


def everywhere(_level: int) -> bool:
    return True


def random_groups(*shape: int) -> np.ndarray:
    """Labels in blocks, so that a network sees something like anatomy."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 5, [-(-n // 4) for n in shape])
    for axis in range(3):
        blocks = blocks.repeat(4, axis)
    return blocks[: shape[0], : shape[1], : shape[2]]


def one_hot(groups: np.ndarray, count: int) -> FloatArray:
    return np.asarray(np.eye(count, dtype=np.float32)[groups])


def assert_close(found: tf.Tensor, expected: FloatArray) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-4)

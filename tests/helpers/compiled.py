"""One function in the ways that TensorFlow runs it: optimisers of graphs may reorder its sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


def in_every_way(function: Callable[..., Any], *arguments: Any) -> dict[str, list[np.ndarray]]:
    """What a function answers step by step, as a graph as a training compiles it, and by XLA.

    Args:
        function: Of tensors, to tensors.
        arguments: Given as tensors whose values no graph knows beforehand.
    """
    ways = {
        "eager": function,
        "graph": tf.function(function, autograph=False),
        "jit": tf.function(function, autograph=False, jit_compile=True),
    }
    given = tf.nest.map_structure(tf.constant, arguments)
    return {
        way: [np.asarray(value) for value in tf.nest.flatten(run(*given))]
        for way, run in ways.items()
    }


def finite_in_every_way(
    function: Callable[..., Any], *arguments: Any, rtol: float = 1e-5, atol: float = 1e-6
) -> list[np.ndarray]:
    """What a function answers, after it was seen to be finite and the same in every way."""
    answers = in_every_way(function, *arguments)
    for way, found in answers.items():
        for value, expected in zip(found, answers["eager"], strict=True):
            assert np.isfinite(value).all(), f"not finite: {way}"
            np.testing.assert_allclose(value, expected, rtol=rtol, atol=atol, err_msg=way)
    return answers["graph"]

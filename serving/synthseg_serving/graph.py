"""What a served graph says of itself, so that any can be written as a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf
from synthseg_trainer.aliases import Array


@dataclass(frozen=True)
class Input:
    """One input of a signature.

    Attributes:
        name: As in `contract`.
        dtype: Type that a request must have.
        shape: As the signature tells it; the graph leaves it open and checks it itself, so that a
            wrong one is refused in words.
        default: What a request without it means; None if it must be there.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...]
    default: Array | None = None


@dataclass(frozen=True)
class Signature:
    """What a model may be asked.

    Attributes:
        inputs: What a request holds.
        answer: From tensors by the inputs' names to tensors by output name.
    """

    inputs: tuple[Input, ...]
    answer: Callable[..., dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Warmup:
    """A small request that a server runs before it calls the model available.

    Attributes:
        inputs: Arrays by name.
        outputs: What is asked for.
    """

    inputs: Mapping[str, Array]
    outputs: Sequence[str]


class ServedGraph(Protocol):
    """Operations to be saved, built in the graph that is the default when it is made."""

    def signatures(self) -> dict[str, Signature]:
        """What the model answers, by signature name."""

    def restore(self, session: tf.compat.v1.Session) -> None:
        """Gives the variables of the graph their values."""

"""What TensorFlow says when samples cannot be made or a step fails, as one line of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import tensorflow as tf
from synthseg_common.errors import is_outage
from synthseg_generator.element_errors import original
from synthseg_generator.errors import GeneratorError

from synthseg_trainer.errors import OutageError, TrainerError

Batch = TypeVar("Batch")
_NODE = re.compile(r"^(\{\{.*?\}\}\s*)+")


def made(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches; a fault of the program is raised as it was.

    Raises:
        TrainerError: A sample cannot be made; when its turn comes. An `OutageError` where a store
            or the Dask workers may be there again later.
    """
    try:
        yield from batches
    except tf.errors.OpError as error:
        cause = original(error.message)
        if cause is None:
            raise
        if isinstance(cause, MemoryError):
            raise TrainerError(f"a sample needs more memory than there is: {cause}") from cause
        if not isinstance(cause, GeneratorError):
            raise cause from error
        problem = OutageError if is_outage(cause) else TrainerError
        raise problem(f"a sample could not be made: {cause}") from cause


@contextmanager
def named_failures(step: int) -> Iterator[None]:
    """Says what ended a step that no fault of the program ended.

    Raises:
        TrainerError: Memory did not suffice.
        OutageError: Another worker is lost.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise TrainerError(
            f"step {step} needs more memory than there is: {_reason_of(error)}. Take a smaller "
            "crop or fewer features, or the batch in more passes (accumulate_steps)."
        ) from error
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        raise OutageError(
            f"step {step} could not be done together, another worker is lost: {_reason_of(error)}. "
            "Start all of them again with --resume."
        ) from error


def _reason_of(error: tf.errors.OpError) -> str:
    """The first line of a message, without where in TensorFlow."""
    return _NODE.sub("", error.message).strip().split("\n", 1)[0] or type(error).__name__

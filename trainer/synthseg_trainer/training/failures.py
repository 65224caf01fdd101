"""What TensorFlow says when samples cannot be made or a step fails, as one line of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import tensorflow as tf
from synthseg_common.errors import is_outage
from synthseg_generator.errors import GeneratorError
from synthseg_generator.feed.element_errors import find_original

from synthseg_trainer.errors import OutageError, TrainerError
from synthseg_trainer.training.peers import Peer, absent_peers, listed

Batch = TypeVar("Batch")
_NODE = re.compile(r"^(\{\{.*?\}\}\s*)+")
# "Graph execution error:", "Detected at node ... defined at", a file and line, "[[{{node ...}}]]".
_PLACE = re.compile(
    r"Graph execution error:|Detected at node|File \"|\[\[|<stack traces unavailable"
)
_RESUME = " Start all of them again with --resume."
# What TensorFlow raises here of what ended elsewhere.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def made(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches; a fault of the program is raised as it was.

    Raises:
        TrainerError: A sample cannot be made; when its turn comes. An `OutageError` where a store
            or the Dask workers may be there again later.
    """
    try:
        yield from batches
    except tf.errors.OpError as error:
        cause = find_original(error.message)
        if cause is None:
            raise
        if isinstance(cause, MemoryError):
            raise TrainerError(f"a sample needs more memory than there is: {cause}") from cause
        if not isinstance(cause, GeneratorError):
            raise cause from error
        problem = OutageError if is_outage(cause) else TrainerError
        raise problem(f"a sample could not be made: {cause}") from cause


@contextmanager
def named_failures(step: int, peers: Sequence[Peer] = ()) -> Iterator[None]:
    """Says what ended a step that no fault of the program ended.

    Args:
        step: The step, or that after which a network is saved or scored.
        peers: The other machines of the run.

    Raises:
        TrainerError: Memory did not suffice.
        OutageError: Another worker is lost.
    """
    with lost_peers(f"step {step} could not be done", peers, _RESUME):
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            raise TrainerError(
                f"step {step} needs more memory than there is: {_reason_of(error)}. Take a smaller "
                "crop or fewer features, or the batch in more passes (accumulate_steps)."
            ) from error


@contextmanager
def lost_peers(what: str, peers: Sequence[Peer], advice: str = "") -> Iterator[None]:
    """Says which of the other machines a run lost, when TensorFlow fails over it.

    Args:
        what: Could not be done, in words.
        peers: The other machines.
        advice: What to do.

    Raises:
        OutageError: TensorFlow says that one is lost, or one does not answer.
    """
    try:
        yield
    except tf.errors.OpError as error:
        # Memory or a wrong sample are this machine's own, whoever else ends of it.
        if isinstance(error, (tf.errors.ResourceExhaustedError, tf.errors.InvalidArgumentError)):
            raise
        lost = isinstance(error, _LOST)
        absent = absent_peers(peers) if peers else {}
        if not lost and not absent:
            raise
        who = f"{_who(absent, peers)}. TensorFlow says: " if peers else ""
        raise OutageError(f"{what}: {who}{_cause_of(error)}.{advice}") from error


def _who(absent: dict[Peer, str], peers: Sequence[Peer]) -> str:
    if absent:
        return f"{listed(absent)} is lost" if len(absent) == 1 else f"{listed(absent)} are lost"
    return (
        f"a machine was lost, though {', '.join(map(str, peers))} can still be reached: "
        "their own last lines say why"
    )


def _cause_of(error: tf.errors.OpError) -> str:
    """Code and first words of TensorFlow's error, where it comes from left out."""
    reason = _reason_of(error).rstrip(".:")
    return f"{type(error).__name__.removesuffix('Error')}, {reason}"


def _reason_of(error: tf.errors.OpError) -> str:
    """What a message says first, without the places in TensorFlow and its graph around it."""
    lines = [_NODE.sub("", line).strip() for line in error.message.splitlines()]
    said = [line for line in lines if line and not _PLACE.match(line)]
    return " ".join(said[:2]) or type(error).__name__

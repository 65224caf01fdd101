"""Workers of one run begin alike, or none does.

Nothing brings their weights together later, only gradients; and one that is alone waits for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict, TypeVar

import numpy as np
import tensorflow as tf
from synthseg_common.arrays import AnyArray
from synthseg_common.errors import SynthSegError, is_outage

from synthseg_trainer.aliases import LabelArray, Tensor
from synthseg_trainer.errors import CheckpointError, OutageError, TrainerError
from synthseg_trainer.runs.resume import settings_difference
from synthseg_trainer.training.distribution import has_peers, peers_of
from synthseg_trainer.training.failures import lost_peers
from synthseg_trainer.training.peers import spoken_wait

T = TypeVar("T")


class Failure(TypedDict):
    """What the other workers must know of an error, as JSON values.

    Attributes:
        text: What it says.
        outage: Whether trying again may help.
    """

    text: str
    outage: bool


# Where the same maps and weights lie on each machine.
_OWN = ("settings.store", "settings.initial_weights")


def agree(strategy: tf.distribute.Strategy, **own: object) -> None:
    """Refuses a run whose workers would begin differently; on all of them, which must all ask.

    Args:
        strategy: The devices.
        own: What should be the same for all, as JSON values.

    Raises:
        CheckpointError: It is not; the message names the values that differ.
    """
    check_agreement(exchange(strategy, own))


def check_agreement(states: Sequence[Mapping[str, object]]) -> None:
    """Compares what the workers begin with, in their order; see `agree`."""
    for number, other in enumerate(states):
        differing = settings_difference(states[0], other, free=_OWN)
        if differing:
            raise CheckpointError(
                f"worker {number} would start differently from worker 0: {'; '.join(differing)}. "
                "All of them must run the same command, and --run must be a folder that they share."
            )


def together(strategy: tf.distribute.Strategy, action: Callable[[], T]) -> T:
    """Does what every worker does for itself; if one fails, all fail, and none waits for it.

    Args:
        strategy: The devices.
        action: The same for all of them, without an exchange of its own.

    Returns:
        What `action` returned to this worker.

    Raises:
        TrainerError: It failed at another worker, which the message names; an `OutageError` if
            trying again may help.
        Exception: Whatever `action` raised here.
    """
    try:
        result = action()
    except Exception as error:
        exchange(strategy, failure_of(error))
        raise
    none: Failure | None = None
    check_failures(exchange(strategy, none))
    return result


def failure_of(error: Exception) -> Failure:
    """What the other workers must know of an error; see `check_failures`."""
    own = isinstance(error, (SynthSegError, ModuleNotFoundError))
    text = str(error) if own else f"{type(error).__name__}: {error}"
    # A fault of ours is none of the settings'.
    return Failure(text=text, outage=is_outage(error) or not own)


def check_failures(failures: Sequence[Failure | None]) -> None:
    """Fails as another worker did; takes `failure_of` from each, `None` of those that did not.

    Raises:
        TrainerError: One of them failed; an `OutageError` if trying again may help.
    """
    for number, failure in enumerate(failures):
        if failure is not None:
            problem = OutageError if failure["outage"] else TrainerError
            raise problem(f"worker {number} cannot begin: {failure['text']}")


def digest_of(arrays: Iterable[AnyArray]) -> str:
    """A short name for the values of arrays in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def exchange(strategy: tf.distribute.Strategy, own: T) -> list[T]:
    """What every worker says, in their order; all of them must call this at the same time.

    Args:
        strategy: The devices.
        own: JSON value of this worker.

    Raises:
        OutageError: Another worker is lost.
    """
    if not has_peers(strategy):
        return [own]
    peers = peers_of(strategy)
    what = "to hear from the other machines before the first step"
    with lost_peers("the machines could not begin together", peers), spoken_wait(what, peers):
        return _exchange(strategy, own)


def _exchange(strategy: tf.distribute.Strategy, own: T) -> list[T]:
    text = np.frombuffer(json.dumps(own).encode(), np.uint8)
    sizes = _rows(strategy, np.array([text.size]))[:, 0]
    rows = _rows(strategy, np.pad(text, (0, sizes.max() - text.size)))
    pairs = zip(rows, sizes, strict=True)
    return [json.loads(row[:size].astype(np.uint8).tobytes()) for row, size in pairs]


def _rows(strategy: tf.distribute.Strategy, own: LabelArray) -> LabelArray:
    """int64 `[worker, n]` from whole numbers `[n]` of each, below 2^24.

    A sum of float32 is the one exchange that works on every device: gradients take it too.
    """
    values = tf.constant(own, tf.float32)

    def place() -> Tensor:
        context = tf.distribute.get_replica_context()
        row = tf.one_hot(context.replica_id_in_sync_group, strategy.num_replicas_in_sync)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, row[:, None] * values)

    # Called by itself, a function that is new each time would be warned of.
    summed = tf.function(lambda: strategy.run(place), autograph=False).get_concrete_function()()
    tables = strategy.experimental_local_results(summed)
    # Each replica of a worker says the same.
    return np.asarray(tables[0])[:: len(tables)].astype(np.int64)

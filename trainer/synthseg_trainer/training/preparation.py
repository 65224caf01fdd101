"""What a run needs before its first step: its settings, and who prepares its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import tensorflow as tf

from synthseg_trainer.config import TrainSettings
from synthseg_trainer.training.agreement import together
from synthseg_trainer.training.feed import Feed, open_feed
from synthseg_trainer.training.peers import DEFAULT_WAIT_S


@contextmanager
def prepared(
    strategy: tf.distribute.Strategy,
    read_settings: Callable[[], TrainSettings],
    *,
    workers: int = 0,
    scheduler: str | None = None,
    wait_s: float = DEFAULT_WAIT_S,
) -> Iterator[tuple[TrainSettings, Feed]]:
    """Settings and feed of a run; every worker of several has its own, or none begins.

    Args:
        strategy: The devices.
        read_settings: Reads what this worker was given.
        workers: As for `open_feed`.
        scheduler: As for `open_feed`.
        wait_s: As for `open_feed`.

    Yields:
        Both, the feed open as long as the context is.

    Raises:
        TrainerError: The settings do not fit, or another worker cannot begin.
        GeneratorError: The store cannot be opened, or the scheduler does not answer.
    """
    with ExitStack() as stack:

        def prepare() -> tuple[TrainSettings, Feed]:
            return read_settings(), stack.enter_context(open_feed(workers, scheduler, wait_s))

        yield together(strategy, prepare)

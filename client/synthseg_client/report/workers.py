"""Several processes that work on one scan each, so that memory stays small."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

from synthseg_client.errors import UnexpectedError

Given = TypeVar("Given")
Made = TypeVar("Made")
_FEW = 3
"""So many scans are worked on here: to start other processes takes longer."""


class Workers:
    """Processes that end with the block; none where there is little to do.

    Args:
        jobs: How many, at most; 1 works in this process.
        scans: How many scans there are.
    """

    def __init__(self, jobs: int, scans: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1 and scans > _FEW:
            # Not forked: gRPC's threads do not survive that.
            context = multiprocessing.get_context("spawn")
            count = min(jobs, scans, os.cpu_count() or 1)
            self._pool = ProcessPoolExecutor(count, mp_context=context)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
        """What a function makes of each, in order.

        Raises:
            UnexpectedError: A process was ended from outside.
        """
        if self._pool is None:
            yield from map(function, given)
            return
        try:
            yield from self._pool.map(function, given)
        except BrokenProcessPool as error:
            raise UnexpectedError(
                "the report was not made: a process that draws was ended, probably for want of "
                "memory: try again with --jobs 1."
            ) from error

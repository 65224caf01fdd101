"""Who may compute: one request at a time, a bounded number waiting, first come first served."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from synthseg_common.contract import QUEUE_FULL

from synthseg_serving.errors import CallError, out_of_time

_CHECK_S = 0.5


class Admission:
    """A bounded queue: memory holds one scan's computation and as many waiting scans as allowed."""

    def __init__(self, waiting: int) -> None:
        """Opens the queue.

        Args:
            waiting: Requests that may wait while one computes.
        """
        self._waiting = waiting
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, deadline: float | None, wanted: Callable[[], bool]) -> Iterator[None]:
        """Waits for this request's turn.

        Args:
            deadline: `time.monotonic()` after which nobody waits for the answer; `None` for never.
            wanted: Whether somebody still does.

        Raises:
            CallError: The queue is full, the deadline has passed, or the caller is gone.
        """
        ticket = object()
        with self._changed:
            if len(self._queue) > self._waiting:
                raise CallError(
                    "RESOURCE_EXHAUSTED",
                    f"the server is busy and {len(self._queue) - 1} requests are waiting, as many "
                    "as it takes; try again later.",
                    QUEUE_FULL,
                )
            self._queue.append(ticket)
        try:
            self._wait(ticket, deadline, wanted)
            yield
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _wait(self, ticket: object, deadline: float | None, wanted: Callable[[], bool]) -> None:
        with self._changed:
            while self._queue[0] is not ticket:
                self._changed.wait(_CHECK_S)
                if deadline is not None and time.monotonic() >= deadline:
                    raise out_of_time()
                if not wanted():
                    raise CallError("CANCELLED", "the caller is gone.")

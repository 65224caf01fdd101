"""Who may compute, and when: first come first served, as many at once as memory holds.

A request holds memory from its arrival (the message), more while it computes (the network's
volumes), and again until its answer has been sent. What all of them hold together never exceeds the
room that there is: who does not fit yet waits, and when as many wait as may, the next is refused
and told when to come back.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from synthseg_common.contract import MEMORY_FULL, QUEUE_FULL

from synthseg_serving.errors import CallError, out_of_time

_CHECK_S = 0.5
_MIB = 2**20
# Of the typical time, how much the last computation counts.
_NEWEST_SHARE = 0.3
_UNKNOWN_PACE_S = 1.0
# Needs are estimates, and what was freed stays in pools: kept free where several compute at once.
_SPARE_SHARE = 0.1
_SOONEST_S = 0.5
_LATEST_S = 60.0


@dataclass(frozen=True)
class Need:
    """Memory of one request.

    Attributes:
        message_bytes: From its arrival until it was answered.
        run_bytes: Beside that while it computes.
        room_bytes: What there is for all requests together; None if nothing says it.
    """

    message_bytes: int = 0
    run_bytes: int = 0
    room_bytes: int | None = None


@dataclass(eq=False)
class Visit:
    """One request, from its arrival until its answer has been sent; what `Admission` notes of it.

    Attributes:
        need: What it takes.
        held_bytes: What it is counted with now.
        answer_bytes: Of the answer and its copies, once there is one; set before the turn ends.
        computes: Whether it does now.
        left: Whether its caller has the answer, or is gone.
    """

    need: Need
    held_bytes: int
    answer_bytes: int = 0
    computes: bool = False
    left: bool = False


class Admission:
    """A bounded queue in front of a bounded number of computations and a bounded memory."""

    def __init__(self, waiting: int, at_once: int = 1) -> None:
        """Opens the queue.

        Args:
            waiting: Requests that may wait.
            at_once: Requests that may compute at the same time, where memory holds them.
        """
        self._most_waiting = waiting
        self._at_once = at_once
        self._queue: deque[Visit] = deque()
        self._present: set[Visit] = set()
        self._computing = 0
        self._pace_s = _UNKNOWN_PACE_S
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return len(self._queue)

    @property
    def computing(self) -> int:
        """Requests that compute."""
        return self._computing

    @property
    def held_bytes(self) -> int:
        """Memory that requests are counted with, those included whose answer is on its way."""
        with self._changed:
            return self._held()

    def arrive(self, need: Need) -> Visit:
        """Lets a request in, to wait for its turn.

        Raises:
            CallError: The queue is full, or memory does not hold one more that waits.
        """
        with self._changed:
            if len(self._queue) + self._computing >= self._most_waiting + self._at_once:
                raise self._refusal(QUEUE_FULL, "as many as it takes")
            if not self._may_wait(need):
                raise self._refusal(MEMORY_FULL, "whose memory this request needs")
            visit = Visit(need, need.message_bytes)
            self._present.add(visit)
            self._queue.append(visit)
            return visit

    @contextmanager
    def turn(
        self, visit: Visit, deadline: float | None, wanted: Callable[[], bool]
    ) -> Iterator[None]:
        """Waits until a request may compute, which it does inside.

        Args:
            visit: Of `arrive`.
            deadline: `time.monotonic()` after which nobody waits for the answer; `None` for never.
            wanted: Whether somebody still does.

        Raises:
            CallError: The deadline has passed, or the caller is gone.
        """
        self._await_turn(visit, deadline, wanted)
        started = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._computing -= 1
                self._pace_s += _NEWEST_SHARE * (time.monotonic() - started - self._pace_s)
                visit.computes = False
                visit.held_bytes = visit.need.message_bytes + visit.answer_bytes
                self._forget(visit)
                self._changed.notify_all()

    def leave(self, visit: Visit) -> None:
        """Frees what a request holds, or has it freed when its computation ends."""
        with self._changed:
            visit.left = True
            self._forget(visit)
            self._changed.notify_all()

    def _await_turn(self, visit: Visit, deadline: float | None, wanted: Callable[[], bool]) -> None:
        with self._changed:
            try:
                while not self._may_compute(visit):
                    self._changed.wait(_CHECK_S)
                    if deadline is not None and time.monotonic() >= deadline:
                        raise out_of_time()
                    if not wanted():
                        raise CallError("CANCELLED", "the caller is gone.")
            finally:
                self._queue.remove(visit)
                self._changed.notify_all()
            self._computing += 1
            visit.computes = True
            visit.held_bytes += visit.need.run_bytes

    def _may_compute(self, visit: Visit) -> bool:
        """Whether it is the first that waits, and memory holds its run beside all that is held."""
        if self._queue[0] is not visit or self._computing >= self._at_once:
            return False
        room = visit.need.room_bytes
        if room is None:
            return True
        spare = _SPARE_SHARE * room if self._computing else 0
        return self._held() + visit.need.run_bytes <= room - spare

    def _may_wait(self, need: Need) -> bool:
        """Whether all that waits has its turn once what computes now is done.

        Without this, messages could fill the memory that the first in the queue waits for.
        """
        if need.room_bytes is None:
            return True
        waiting = [visit.need for visit in self._queue] + [need]
        messages = sum(each.message_bytes for each in waiting)
        return messages + max(each.run_bytes for each in waiting) <= need.room_bytes

    def _held(self) -> int:
        return sum(visit.held_bytes for visit in self._present)

    def _forget(self, visit: Visit) -> None:
        if visit.left and not visit.computes:
            self._present.discard(visit)

    def _refusal(self, reason: str, why: str) -> CallError:
        ahead = len(self._queue) + self._computing
        # Half the queue is left then: the server is never idle, and who comes back has a place.
        soon_s = self._pace_s * ahead / self._at_once / 2
        return CallError(
            "RESOURCE_EXHAUSTED",
            f"the server is busy: {self._computing} requests compute and {len(self._queue)} wait, "
            f"{why} ({self._held() / _MIB:.0f} MiB are in use); try again later.",
            reason,
            retry_after_s=min(max(soon_s, _SOONEST_S), _LATEST_S),
        )

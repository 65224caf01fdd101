"""Which scans a server has at once: one that may have ended a server is sent alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from synthseg_client.errors import ServerError


class Flights:
    """Scans on their way, of all threads of one session.

    When a server dies, any scan that it had may be the reason. Each of them is sent again with no
    other beside it, so that a second death has one scan to blame.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._want_alone = 0
        self._is_alone = False
        self._closed = False

    @contextmanager
    def flight(self, *, alone: bool) -> Iterator[Flights]:
        """Holds a place at the server; waits while a scan has it for itself.

        Args:
            alone: Whether this scan wants the server for itself; waits for the others to land,
                which their deadlines bound.

        Raises:
            ServerError: The session was closed meanwhile.
        """
        with self._changed:
            self._want_alone += alone
            try:
                self._changed.wait_for(lambda: self._closed or self._may_start(alone))
            finally:
                self._want_alone -= alone
                self._changed.notify_all()
            if self._closed:
                raise ServerError("the connection was closed.")
            self._under_way += 1
            self._is_alone = alone
        try:
            yield self
        finally:
            with self._changed:
                self._under_way -= 1
                self._is_alone = False
                self._changed.notify_all()

    @property
    def under_way(self) -> int:
        """How many scans are at the server."""
        return self._under_way

    @property
    def others(self) -> int:
        """How many scans are under way besides the caller's."""
        return self._under_way - 1

    def close(self) -> None:
        """Sends away whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _may_start(self, alone: bool) -> bool:
        if alone:
            return self._under_way == 0
        return not self._is_alone and not self._want_alone

"""A server that does not answer: all threads of a session wait for it together, once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from synthseg_client.errors import ClientError, ServerError, ServerGoneError

# As long as nothing is said; a connection that broke is mended sooner.
_UNSPOKEN_S = 1.0
# A question of this length, then the next: names are resolved anew for each.
_ASK_S = 10.0
_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0

_log = logging.getLogger("synthseg_client")


class Outage:
    """Waits for a server that does not answer; safe to share between threads.

    One thread asks whether the server is back, the others wait for what it finds. Who comes when
    the wait has been in vain is told so within a second, until something answers again.

    Args:
        limit_s: How long to wait in seconds, as long as a server may take to start; with 0, a
            connection that broke has a second to be mended.
        is_back: Asks the server, for so many seconds at most, whether it answers requests again.
        revive: Starts the server again if it has died.
        tell: Takes lines for the user: what is waited for and how long, and its end.
    """

    def __init__(
        self,
        *,
        limit_s: float,
        is_back: Callable[[float], bool],
        revive: Callable[[], object] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._limit_s = limit_s
        self._is_back = is_back
        self._revive = revive
        self._tell = tell or _log.warning
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._led = False
        self._over: ServerGoneError | None = None

    @property
    def over(self) -> ServerGoneError | None:
        """Why nothing more is asked, if the last wait was in vain and nothing answered since."""
        return self._over

    def answered(self) -> None:
        """Takes note that the server has answered."""
        self._over = None

    def tell(self, line: str) -> None:
        """Says something to the user."""
        self._tell(line)

    def wait(self, cause: ServerError) -> None:
        """Returns when the server is back.

        Args:
            cause: What the request ended with.

        Raises:
            ServerGoneError: It did not come back in time, this time or the last.
            ServerError: The session was closed meanwhile.
        """
        self._refuse_closed()  # which breaks connections
        with self._changed:
            led_by_another = self._led
            self._changed.wait_for(lambda: not self._led)
            if led_by_another:
                self._refuse()
                return
            self._led = True
        try:
            over = self._over
            self._over = self._look(over) if over else self._lead(cause)
        finally:
            with self._changed:
                self._led = False
                self._changed.notify_all()
        self._refuse()

    def pause(self, seconds: float) -> None:
        """Waits so long, or until the session is closed.

        Raises:
            ServerError: It was closed.
        """
        self._closed.wait(seconds)
        self._refuse_closed()

    @property
    def closed(self) -> bool:
        """Whether the session was closed."""
        return self._closed.is_set()

    def close(self) -> None:
        """Ends every wait."""
        self._closed.set()

    def _refuse(self) -> None:
        self._refuse_closed()
        over = self._over  # another thread may have an answer meanwhile
        if over is not None:
            raise ServerGoneError(over.cause, over.since)

    def _refuse_closed(self) -> None:
        if self._closed.is_set():
            raise ServerError("the connection was closed.")

    def _look(self, over: ServerGoneError) -> ServerGoneError | None:
        """Whether the server is back after one has waited in vain."""
        return None if self._is_back(_UNSPOKEN_S) else over

    def _lead(self, cause: ServerError) -> ServerGoneError | None:
        """Waits; returns why it was in vain, if it was."""
        if self._revive is not None:
            self._tell(f"{cause} Starting the server again if it has died.")
            try:
                self._revive()
            except ClientError as error:
                return ServerGoneError("", str(error))
        if self._comes_back(cause) or self._closed.is_set():
            return None
        waited = f"Waited {self._limit_s:g} s for it." if self._limit_s else ""
        return ServerGoneError(str(cause), waited)

    def _comes_back(self, cause: ServerError) -> bool:
        """Asks until the server is back, the limit has passed or the session is closed."""
        started = time.monotonic()
        told, pause_s = False, _PAUSE_S
        limit_s = max(self._limit_s, _UNSPOKEN_S)
        while (left_s := started + limit_s - time.monotonic()) > 0:
            if self._is_back(min(left_s, _ASK_S if told else _UNSPOKEN_S)):
                if told:
                    self._tell(f"the server is back after {time.monotonic() - started:.0f} s.")
                return True
            if self._closed.is_set():
                break
            if not told and self._limit_s > _UNSPOKEN_S:
                told = True
                self._tell(f"{cause} Waiting for it, {self._limit_s:g} s at most.")
            self._closed.wait(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return False

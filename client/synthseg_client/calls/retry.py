"""When trying a request again makes sense, and how often."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from synthseg_client.calls.flights import Flights
from synthseg_client.calls.outage import Outage
from synthseg_client.calls.refusals import translate
from synthseg_client.errors import (
    BrokenConnectionError,
    LostOnScanError,
    ModelGoneError,
    ServerBusyError,
    ServerError,
    ServerGoneError,
    ServerTimeoutError,
    ServerUnreachableError,
)

_Answer = TypeVar("_Answer")
_KILLS_ALLOWED = 2
# Of what a server says: it is asked again no faster and no slower.
_LEAST_TOLD_S = 0.05
_LONGEST_TOLD_S = 60.0
_UNSPOKEN_S = 20.0


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How patiently a failed request is sent again.

    Attributes:
        attempts: Tries in all; 1 never repeats. A scan during which the connection broke is sent
            twice at most, because it may be what killed the server.
        first_wait_s: Pause before the second try at a busy server; doubled each time, with a random
            share so that many clients spread.
        longest_wait_s: Upper bound of one pause.
        server_wait_s: How long to wait for a server that does not answer: as long as one may take
            to start. All requests of a session wait together, once; then none is sent again.
        busy_wait_s: How long one request is sent again to a server that says when it has a place;
            these tries are not counted.
    """

    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0
    server_wait_s: float = 120.0
    busy_wait_s: float = 1800.0

    def wait_s(self, attempt: int) -> float:
        """Pause in seconds after failed try number `attempt`, counted from 0."""
        longest_s = min(self.longest_wait_s, self.first_wait_s * 2.0**attempt)
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Sends requests of one session again as far as that makes sense.

    Attributes:
        target: The server's address, for errors.
        policy: How often and how patiently.
        outage: Waits for a server that does not answer.
        flights: Scans on their way.
    """

    target: str
    policy: RetryPolicy
    outage: Outage
    flights: Flights

    def call(self, send: Callable[[], _Answer], *, awaits_model: bool = False) -> _Answer:
        """Calls until there is an answer, an error that repeating cannot mend, or no try left.

        Args:
            send: One try; raises `grpc.RpcError`.
            awaits_model: Whether a model that is not there has been, and will be again.

        Raises:
            ServerError: What the last try ended with.
        """
        queue = _Queue(self.policy, self.outage)
        for attempt in range(self.policy.attempts):
            try:
                return queue.call(lambda: self._try(send))
            except ServerError as failure:
                if attempt + 1 == self.policy.attempts:
                    raise
                self._wait(failure, attempt, awaits_model)
        raise ServerError(
            f"no request was sent to {self.target}: {self.policy.attempts} attempts allowed."
        )

    def call_with_scan(self, send: Callable[[], _Answer], *, awaits_model: bool = False) -> _Answer:
        """The same for a request that may kill the server; it is sent again alone, once.

        Raises:
            LostOnScanError: The server was lost on this scan, twice or for good.
            ServerError: What the last try ended with.
        """
        lost: list[str] = []
        try:
            return self.call(lambda: self._send_scan(send, lost), awaits_model=awaits_model)
        except ServerError as error:
            if not lost or isinstance(error, LostOnScanError):
                raise
            raise _with_first_cause(error, lost[0]) from error

    def _send_scan(self, send: Callable[[], _Answer], lost: list[str]) -> _Answer:
        """One try; notes in `lost` how the connection broke, if it did."""
        with self.flights.flight(alone=bool(lost)) as flight:
            try:
                return send()
            except grpc.RpcError as error:
                failure = translate(error, self.target)
                if isinstance(failure, ServerTimeoutError):
                    raise ServerTimeoutError(
                        f"{failure} Allow more with a longer timeout."
                    ) from None
                if isinstance(failure, BrokenConnectionError):
                    lost.append(_told(failure, flight.others))
                    if len(lost) == _KILLS_ALLOWED:
                        raise LostOnScanError(_verdict(lost)) from None
                raise

    def _try(self, send: Callable[[], _Answer]) -> _Answer:
        try:
            answer = send()
        except grpc.RpcError as error:
            failure = translate(error, self.target)
            if not isinstance(failure, ServerUnreachableError | ServerTimeoutError):
                self.outage.answered()
            raise failure from None
        self.outage.answered()
        return answer

    def _wait(self, failure: ServerError, attempt: int, awaits_model: bool) -> None:
        """Waits until trying again makes sense; raises where it does not."""
        if isinstance(failure, ServerBusyError):
            self.outage.pause(self.policy.wait_s(attempt))
            return
        absent = isinstance(failure, ServerUnreachableError) or (
            awaits_model and isinstance(failure, ModelGoneError)
        )
        if not absent or isinstance(failure, LostOnScanError):
            raise failure
        self.outage.wait(failure)
        if attempt:  # it answers, and yet not this request
            self.outage.pause(self.policy.wait_s(attempt - 1))


class _Queue:
    """One request at a server that is busy and says when to come back."""

    def __init__(self, policy: RetryPolicy, outage: Outage) -> None:
        self._outage = outage
        self._limit_s = policy.busy_wait_s
        self._since: float | None = None
        self._told = False

    def call(self, send: Callable[[], _Answer]) -> _Answer:
        """Calls until there is a place, or the limit has passed.

        Raises:
            ServerError: What the last try ended with.
        """
        while True:
            try:
                return send()
            except ServerBusyError as failure:
                if failure.retry_after_s is None or not self._wait(failure):
                    raise

    def _wait(self, failure: ServerBusyError) -> bool:
        """Waits as long as the server says; False if that were too long."""
        now = time.monotonic()
        self._since = self._since or now
        told_s = min(max(failure.retry_after_s or 0.0, _LEAST_TOLD_S), _LONGEST_TOLD_S)
        # Never sooner than told, and not all who were told the same at once.
        pause_s = told_s * random.uniform(1.0, 1.5)  # noqa: S311
        waited_s = now - self._since
        if waited_s + pause_s > self._limit_s:
            return False
        if waited_s > _UNSPOKEN_S and not self._told:
            self._told = True
            self._outage.tell(f"{failure} Waiting for a place, {self._limit_s:g} s at most.")
        self._outage.pause(pause_s)
        return True


def _with_first_cause(error: ServerError, lost: str) -> ServerError:
    """What a scan ended with, on which the server had been lost before."""
    if isinstance(error, ServerGoneError):
        return LostOnScanError(f"{lost} {error.since}".strip())
    if isinstance(error, BrokenConnectionError):
        return LostOnScanError(lost)
    return type(error)(f"{error} Before that, {lost}")


def _told(failure: BrokenConnectionError, others: int) -> str:
    beside = f" and {others} more" if others else ""
    return f"{str(failure).rstrip('.')}, while the server had this scan{beside}."


def _verdict(lost: list[str]) -> str:
    return (
        f"the server was lost {len(lost)} times while it had this scan, which is not sent again: "
        f"it may need more memory than the server has. First, {lost[0]}"
    )

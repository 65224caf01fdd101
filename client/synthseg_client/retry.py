"""gRPC's errors as the client's own, and when trying again makes sense."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from synthseg_client.errors import (
    AccessDeniedError,
    ModelError,
    ModelGoneError,
    RequestTooLargeError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
)

_Answer = TypeVar("_Answer")

# gRPC's words for a connection that was never made: the request cannot have harmed the server.
_NEVER_CONNECTED = (
    "failed to connect",
    "connections to all backends failing",
    "connection refused",
    "no such file or directory",
    "dns resolution failed",
    "errors resolving",
    "empty address list",
)
# What a server, gRPC or TensorFlow says when the request will never fit; else its queue is full.
_TOO_LARGE = ("larger than max", "message", "memory", "oom", "allocat")
_KILLS_ALLOWED = 2


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How patiently a failed request is sent again.

    Attributes:
        attempts: Tries in all; 1 never repeats. Broken connections count at most twice, because the
            request itself may have killed the server.
        first_wait_s: Pause before the second try; doubled each time, with a random share so that
            many clients spread.
        longest_wait_s: Upper bound of one pause.
    """

    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0

    def wait_s(self, attempt: int) -> float:
        """Pause in seconds after failed try number `attempt`, counted from 0."""
        return min(self.longest_wait_s, self.first_wait_s * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311


class BrokenConnectionError(ServerUnreachableError):
    """The connection broke while the server had the request."""


def call_with_retries(
    call: Callable[[], _Answer],
    policy: RetryPolicy,
    target: str,
    revive: Callable[[], bool] | None = None,
) -> _Answer:
    """Calls until there is an answer, an error that repeating cannot mend, or no try left.

    Args:
        call: One try; raises `grpc.RpcError`.
        policy: How often and how patiently.
        target: The server's address, for errors.
        revive: Starts the server again if it has died, and says whether it had; then there is
            nothing to wait for.

    Raises:
        ServerError: What the last try ended with.
    """
    broken = 0
    for attempt in range(policy.attempts):
        try:
            return call()
        except grpc.RpcError as error:
            mapped = translate(error, target)
            broken += isinstance(mapped, BrokenConnectionError)
            repeatable = isinstance(mapped, ServerUnreachableError | ServerBusyError)
            if not repeatable or broken >= _KILLS_ALLOWED or attempt + 1 == policy.attempts:
                raise mapped from None
            revived = revive is not None and isinstance(mapped, ServerUnreachableError) and revive()
            if not revived:
                time.sleep(policy.wait_s(attempt))
    raise ServerError(f"no request was sent to {target}: {policy.attempts} attempts allowed.")


def translate(error: grpc.RpcError, target: str) -> ServerError:
    """The client's own error for one of gRPC's."""
    code, details = error.code(), (error.details() or "").strip()
    if code is grpc.StatusCode.UNAVAILABLE:
        return _translate_unavailable(details, target)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServerTimeoutError(
            f"{target} did not answer in time: allow more with a longer timeout."
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        if any(words in details.lower() for words in _TOO_LARGE):
            return RequestTooLargeError(f"{target} cannot take a request this large: {details}.")
        return ServerBusyError(f"{target} has no place in its queue: {details}.")
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return AccessDeniedError(f"{target} refuses these credentials: {details}.")
    if code is grpc.StatusCode.NOT_FOUND:
        return ModelGoneError(f"{target} cannot serve this request: {details}.")
    if code in (
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
    ):
        return ModelError(f"{target} cannot serve this request: {details}.")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return ModelError(
            f"{target} is no TensorFlow model server: it does not know the service that was called."
        )
    return ServerError(f"{target} failed ({code.name}): {details}.")


def _translate_unavailable(details: str, target: str) -> ServerError:
    lowered = details.lower()
    if "handshake" in lowered or "certificate" in lowered:
        return AccessDeniedError(f"no encrypted connection to {target}: {details}.")
    if any(words in lowered for words in _NEVER_CONNECTED):
        return ServerUnreachableError(f"no server answers at {target}: {details}.")
    return BrokenConnectionError(f"the connection to {target} broke: {details}.")

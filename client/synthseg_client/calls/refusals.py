"""gRPC's errors as the client's own: by code, by the reason that our server adds, else by text.

Codes decide wherever they can. UNAVAILABLE and RESOURCE_EXHAUSTED each stand for several things
that ask for opposite answers, and gRPC tells no program which one it was; only for those, `SAYINGS`
holds the words by which they are told apart, with who says them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from synthseg_common import contract

from synthseg_client.errors import (
    AccessDeniedError,
    BadRequestError,
    BrokenConnectionError,
    ModelError,
    ModelGoneError,
    RequestTooLargeError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
)

_Code = grpc.StatusCode


class Meaning(enum.Enum):
    """What a code with several meanings stands for."""

    TOO_LARGE = contract.TOO_LARGE
    BUSY = contract.QUEUE_FULL
    NEVER_SENT = "never-sent"
    NOT_TRUSTED = "not-trusted"
    WEB_SERVER = "web-server"
    BROKEN = "broken"


@dataclass(frozen=True)
class Saying:
    """Words that tell the meanings of a code apart.

    Attributes:
        code: What they come with.
        words: Where they stand in the details.
        meaning: What they mean.
        source: Who says them.
    """

    code: grpc.StatusCode
    words: re.Pattern[str]
    meaning: Meaning
    source: str


def _said(code: grpc.StatusCode, words: str, meaning: Meaning, source: str) -> Saying:
    return Saying(code, re.compile(words), meaning, source)


_FULL, _DOWN, _OTHER = _Code.RESOURCE_EXHAUSTED, _Code.UNAVAILABLE, _Code.UNKNOWN

# The first that fits counts. Without any, RESOURCE_EXHAUSTED is a full queue, and UNAVAILABLE a
# connection that broke while the server had the request: both are tried again, so many times.
SAYINGS: tuple[Saying, ...] = (
    _said(
        _FULL,
        r"\b(?:Received|Sent) message larger than max \(\d+ vs\. \d+\)",
        Meaning.TOO_LARGE,
        "gRPC core on either side; recorded from TensorFlow Serving 2.20",
    ),
    _said(
        _FULL,
        r"\b(?:received|send) message (?:after decompression )?larger than max \(\d+ vs\. \d+\)",
        Meaning.TOO_LARGE,
        "gRPC for Go, which proxies are made of",
    ),
    _said(
        _FULL,
        r"\bgRPC message exceeds maximum size \d+",
        Meaning.TOO_LARGE,
        "gRPC for Java, which proxies are made of",
    ),
    _said(
        _FULL,
        r"\bOOM when allocating tensor with shape\[",
        Meaning.TOO_LARGE,
        "TensorFlow's kernels",
    ),
    _said(
        _FULL,
        r"^the server has not enough memory\.",
        Meaning.TOO_LARGE,
        "our embedded server before it added a reason",
    ),
    _said(
        _OTHER,
        r"^Received http2 header with status: 413$",
        Meaning.TOO_LARGE,
        "gRPC core about a proxy's answer of HTTP 413, as nginx gives it",
    ),
    _said(
        _DOWN,
        r"\bThe batch scheduling queue to which this task was submitted is full\b",
        Meaning.BUSY,
        "TensorFlow Serving with batching",
    ),
    _said(
        _DOWN,
        r"\bSSL_ERROR_SSL\b|\bTSI_PROTOCOL_FAILURE\b",
        Meaning.NOT_TRUSTED,
        "gRPC core: certificate not trusted, or no TLS there",
    ),
    _said(
        _DOWN,
        r"\bTSI_DATA_CORRUPTED\b",
        Meaning.NOT_TRUSTED,
        "gRPC core: with TLS 1.3 a server refuses the client's certificate after the handshake",
    ),
    _said(
        _DOWN,
        r"\bHostname Verification Check failed\b",
        Meaning.NOT_TRUSTED,
        "gRPC core: certificate of another name",
    ),
    _said(
        _DOWN,
        r"\bTrying to connect an http1\.x server\b",
        Meaning.WEB_SERVER,
        "gRPC core at a web server's port, as TensorFlow Serving's 8501",
    ),
    _said(
        _DOWN,
        r"^(?:connections to all backends failing|failed to connect to all addresses)\b",
        Meaning.NEVER_SENT,
        "gRPC core's round_robin and pick_first: refused, no socket, no answer to connecting",
    ),
    _said(
        _DOWN,
        r"^(?:errors resolving|DNS resolution failed for|empty address list)\b",
        Meaning.NEVER_SENT,
        "gRPC core: the name has no address, now or at all",
    ),
    _said(
        _DOWN,
        r"^no healthy upstream$",
        Meaning.NEVER_SENT,
        "Envoy and what is made of it (Istio, many gateways)",
    ),
    _said(
        _DOWN,
        r"^upstream connect error or disconnect/reset before headers\. (?:retried and the latest "
        r"|)reset reason: (?:(?:remote |local )?connection failure|connection timeout|overflow)\b",
        Meaning.NEVER_SENT,
        "Envoy: the server behind it was not reached",
    ),
)


_REASONS = {
    contract.TOO_LARGE: Meaning.TOO_LARGE,
    contract.QUEUE_FULL: Meaning.BUSY,
    contract.MEMORY_FULL: Meaning.BUSY,
}
# A server that ends cancels some of the calls that it has.
_OTHERWISE = {_FULL: Meaning.BUSY, _DOWN: Meaning.BROKEN, _Code.CANCELLED: Meaning.BROKEN}


def meaning_of(error: grpc.RpcError) -> Meaning | None:
    """What an error means beyond its code; None where the code says all there is to say."""
    code, details = error.code(), (error.details() or "").strip()
    reason = _trailing(error).get(contract.REASON)
    if code is _FULL and reason in _REASONS:
        return _REASONS[reason]
    for saying in SAYINGS:
        if saying.code is code and saying.words.search(details):
            return saying.meaning
    return _OTHERWISE.get(code)


def retry_after_s(error: grpc.RpcError) -> float | None:
    """When the same request has a chance, as whoever refused it says; None if it does not."""
    told = _trailing(error).get(contract.RETRY_AFTER, "")
    # gRPC's negative numbers ask for no repetition.
    return int(told) / 1000 if told.isdecimal() else None


def _trailing(error: grpc.RpcError) -> dict[str, str]:
    # Text, though its type says bytes: those are for keys that end in -bin.
    return {datum.key: str(datum.value) for datum in error.trailing_metadata() or ()}


def translate(error: grpc.RpcError, target: str) -> ServerError:
    """The client's own error for one of gRPC's."""
    code, details = error.code(), _plain(error.details() or "")
    meaning = meaning_of(error)
    if meaning is Meaning.BUSY:
        return ServerBusyError(f"{target} has no place: {details}.", retry_after_s(error))
    if meaning is not None:
        return _MEANT[meaning](target, details)
    if code is _Code.DEADLINE_EXCEEDED:
        return ServerTimeoutError(f"{target} did not answer in time.")
    if code in (_Code.UNAUTHENTICATED, _Code.PERMISSION_DENIED):
        return AccessDeniedError(f"{target} refuses these credentials: {details}.")
    if code in _REFUSED:
        return _REFUSED[code](f"{target} cannot serve this request: {details}.")
    if code is _Code.UNIMPLEMENTED:
        return ModelError(
            f"{target} is no TensorFlow model server: it does not know the service that was called."
        )
    return ServerError(f"{target} failed ({code.name}): {details}.")


def _plain(details: str) -> str:
    """What was said, without gRPC's words about how it came to hear it."""
    details = re.sub(r"^Stream removed \((.*)\)$", r"\1", details.strip(), flags=re.DOTALL)
    return re.sub(r"^[^;]*; last error: (?:[A-Z_]+: )?", "", details).rstrip(".")


_REFUSED: dict[grpc.StatusCode, type[ModelError]] = {
    _Code.NOT_FOUND: ModelGoneError,
    _Code.INVALID_ARGUMENT: BadRequestError,
    _Code.FAILED_PRECONDITION: ModelError,
}
_MEANT: dict[Meaning, Callable[[str, str], ServerError]] = {
    Meaning.TOO_LARGE: lambda target, said: RequestTooLargeError(
        f"{target} cannot take a request this large: {said}."
    ),
    Meaning.NOT_TRUSTED: lambda target, said: AccessDeniedError(
        f"no encrypted connection to {target}: {said}."
    ),
    Meaning.WEB_SERVER: lambda target, _: ModelError(
        f"{target} is a web server, expected gRPC: TensorFlow Serving has it on port 8500."
    ),
    Meaning.NEVER_SENT: lambda target, said: ServerUnreachableError(
        f"no server answers at {target}: {said}."
    ),
    Meaning.BROKEN: lambda target, said: BrokenConnectionError(
        f"the connection to {target} broke: {said}."
    ),
}

"""Errors of the client: each says what was wrong, what was expected and what was found."""

from __future__ import annotations

from pathlib import Path

from synthseg_common.errors import TRY_AGAIN, WRONG_USE, SynthSegError
from synthseg_common.errors import OutputError as OutputError

ClientError = SynthSegError
"""Base of every error that the client raises on purpose: that of all parts."""


class UsageError(ClientError, ValueError):
    """The request contradicts itself, or names nothing that could be worked on."""

    exit_code = WRONG_USE


class ScanError(ClientError, ValueError):
    """A scan is missing, broken, or nothing that can be segmented."""

    exit_code = TRY_AGAIN


class ResultError(ClientError, ValueError):
    """A segmentation came back that cannot be right, and was not written."""


class UnexpectedError(ClientError):
    """A defect of this package, or too little memory, befell one scan of many."""


class EmbeddedServerError(ClientError, RuntimeError):
    """The server that the client starts for itself is not installed, did not start, or died."""

    exit_code = TRY_AGAIN
    names_no_scan = True


class ServerError(ClientError):
    """A model server could not answer a request."""

    exit_code = TRY_AGAIN


class ServerUnreachableError(ServerError, ConnectionError):
    """Nothing answers at the address, or the connection broke."""

    names_no_scan = True


class BrokenConnectionError(ServerUnreachableError):
    """The connection broke while the server had the request."""


class ServerGoneError(ServerUnreachableError):
    """Nothing has answered for as long as one waits: what is left was not asked for.

    Attributes:
        cause: What the wait began with.
        since: How it ended.
    """

    def __init__(self, cause: str, since: str) -> None:
        super().__init__(f"{cause} {since}".strip())
        self.cause = cause
        self.since = since


class LostOnScanError(ServerUnreachableError):
    """The server was lost while it had this scan: twice, or it did not come back."""


class ServerBusyError(ServerError):
    """The server's queue is full.

    Attributes:
        retry_after_s: When the server has a place again, in seconds, if it said so.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    names_no_scan = True


class ServerTimeoutError(ServerError, TimeoutError):
    """The server did not answer before the deadline."""

    names_no_scan = True


class RequestTooLargeError(ServerError, ValueError):
    """Request or answer is larger than the server or a proxy lets through."""


class AccessDeniedError(ServerError, PermissionError):
    """The server wants other credentials."""

    names_no_scan = True


class ModelError(ServerError, LookupError):
    """The server has no such model or version, or it is none that this client understands."""


class ModelGoneError(ModelError):
    """The server that was asked has no such model or version; another one behind its name may."""


class BadRequestError(ModelError):
    """The model server refuses the request as it is."""


class UnknownModelError(ModelGoneError, UsageError):
    """The call names a model, a version or a label that the server does not know."""

    exit_code = WRONG_USE


class AnswerError(ServerError, ValueError):
    """The answer breaks the contract between client and server."""


def error_of(scan: Path, error: Exception) -> ClientError:
    """What befell a scan, in one line; an error that is no `ClientError` is the cause of one."""
    if isinstance(error, ClientError):
        return error
    said = (
        "not enough memory here for this scan."
        if isinstance(error, MemoryError)
        else f"unexpected error {type(error).__name__}: {error}"
    )
    named = UnexpectedError(f"{scan}: {said}")
    named.__cause__ = error
    return named

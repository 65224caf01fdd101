"""Errors of serving: each says what was wrong, what was expected and what was found."""

from __future__ import annotations

from synthseg_common.errors import SynthSegError


class ServingError(SynthSegError):
    """Base of every error that this package raises on purpose."""


class ExportError(ServingError, ValueError):
    """A network cannot be exported, or not from here, or not to there."""


class WeightsError(ServingError, ValueError):
    """A weights file is missing, broken, or does not fit the network."""


class ModelError(ServingError, OSError):
    """A model directory or model configuration cannot be served."""


class StartError(ServingError, OSError):
    """The server cannot start: address, TLS files, or options."""


class CallError(ServingError):
    """A request is refused.

    Attributes:
        code: Name of the gRPC status code, as `NOT_FOUND`.
        message: What the caller reads.
        reason: What programs read where the code leaves it open, from `contract`; may be empty.
        retry_after_s: When the same request has a chance; None if it has none, or nobody knows.
    """

    def __init__(
        self, code: str, message: str, reason: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.retry_after_s = retry_after_s


def out_of_time() -> CallError:
    """The deadline has passed.

    Said as gRPC says it: its clock at the caller runs out at the same moment, and either is first.
    """
    return CallError("DEADLINE_EXCEEDED", "Deadline Exceeded")

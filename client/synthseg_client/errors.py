"""Errors of the client: each says what was wrong, what was expected and what was found."""


class ClientError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageError(ClientError, ValueError):
    """The request contradicts itself, or names nothing that could be worked on."""


class ScanError(ClientError, ValueError):
    """A scan is missing, broken, or nothing that can be segmented."""


class OutputError(ClientError, OSError):
    """A result could not be written; nothing of it was left behind."""


class ResultError(ClientError, ValueError):
    """A segmentation came back that cannot be right, and was not written."""


class EmbeddedServerError(ClientError, RuntimeError):
    """The server that the client starts for itself is not installed, did not start, or died."""


class ServerError(ClientError):
    """A model server could not answer a request."""


class ServerUnreachableError(ServerError, ConnectionError):
    """Nothing answers at the address, or the connection broke."""


class ServerBusyError(ServerError):
    """The server's queue is full."""


class ServerTimeoutError(ServerError, TimeoutError):
    """The server did not answer before the deadline."""


class RequestTooLargeError(ServerError, ValueError):
    """Request or answer is larger than the server or a proxy lets through."""


class AccessDeniedError(ServerError, PermissionError):
    """The server wants other credentials."""


class ModelError(ServerError, LookupError):
    """The server has no such model or version, or it is none that this client understands."""


class AnswerError(ServerError, ValueError):
    """The answer breaks the contract between client and server."""

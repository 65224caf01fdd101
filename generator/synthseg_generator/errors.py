"""Errors of the generator: each says what was wrong, what was expected and what was found."""

from __future__ import annotations

import errno

# As wrong at the next try; without a number (None) a library tells of a file of another kind.
_NO_OUTAGE = {None, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL}
_NO_OUTAGE |= {errno.ENAMETOOLONG, errno.ELOOP}


class GeneratorError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(GeneratorError, ValueError):
    """A setting is unknown, contradictory or out of its range."""


class LabelError(GeneratorError, ValueError):
    """A label map or label table does not fit."""


class StoreError(GeneratorError, OSError):
    """A label store or plan is missing, broken or of another version."""


class Outage:
    """Mixed into errors of what is around the program, whatever their cause; see `is_outage`."""


class SchedulerError(StoreError, Outage):
    """The Dask scheduler does not answer, is lost, or loses its workers."""


def is_outage(error: BaseException | None) -> bool:
    """Whether what is around the program failed, so that the same call may do at another time.

    A host that does not answer, a disk that is full or fails, missing rights; no wrong input.

    Args:
        error: What was raised; its causes count too.
    """
    while error is not None:
        if isinstance(error, (Outage, ConnectionError, TimeoutError)):
            return True
        if isinstance(error, OSError) and error.errno not in _NO_OUTAGE:
            return True
        error = error.__cause__
    return False

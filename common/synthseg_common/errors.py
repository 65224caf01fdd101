"""Errors that every part may raise, and which exit code an error ends a command with."""

from __future__ import annotations

import errno

ALL_DONE = 0
"""Exit code of a command that did all that it was asked for."""
TRY_AGAIN = 1
"""Some scans failed, or a disk, a host or another machine did: the same call may do later."""
WRONG_USE = 2
"""The call, the settings or the input are wrong, and will be at the next try."""
INTERRUPTED = 130
"""Ctrl-C."""
TERMINATED = 143
"""SIGTERM, by which schedulers end jobs."""

# As wrong at the next try; without a number (None) a library tells of a file of another kind.
_NO_OUTAGE = {None, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL}
_NO_OUTAGE |= {errno.ENAMETOOLONG, errno.ELOOP}


class SynthSegError(Exception):
    """Base of every error that this project raises on purpose: one line for the user.

    Attributes:
        exit_code: What a command ends with; None decides by what befell it, see `exit_code_of`.
        names_no_scan: Whether the text is of servers and machines alone, so that a log may have it.
    """

    exit_code: int | None = None
    names_no_scan = False


class OutputError(SynthSegError, OSError):
    """A file could not be written; nothing of it was left behind."""


class ImageError(SynthSegError, ValueError):
    """An image file is missing, broken, or not what it seems."""


class LabelTableError(SynthSegError, ValueError):
    """A label table contradicts itself, or is none."""


class Outage:
    """Mixed into errors of what is around the program, whatever their cause; see `is_outage`."""


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


def exit_code_of(error: BaseException) -> int:
    """The exit code of a command that ends with this error, the same in every part.

    Who starts programs again, as Kubernetes does, goes by it: an outage is worth another try, and
    what the user has to change is not.
    """
    if isinstance(error, SynthSegError) and error.exit_code is not None:
        return error.exit_code
    return TRY_AGAIN if is_outage(error) else WRONG_USE


def one_line(error: BaseException) -> str:
    """What an error says, in one line and without the full stop; its kind where it says nothing."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def reason_of(error: OSError) -> str:
    """Why the system refused, in words; of an `OutputError`, why it came to that."""
    if isinstance(error, OutputError) and isinstance(error.__cause__, OSError):
        return reason_of(error.__cause__)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "there is a file in the place of a folder"
    return error.strerror or one_line(error)

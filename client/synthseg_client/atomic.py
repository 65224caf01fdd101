"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthseg_client.errors import OutputError

_ENDING = 12
"""Characters of a name that hold its ending, `.nii.gz` for instance."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path` when the block ends well, else vanishes.

    The temporary name starts with a dot, so that no listing of scans picks it up, and ends like the
    final one, so that writers choose the right format.

    Raises:
        OutputError: The folder or the file cannot be written.
    """
    # Not the whole name: a longer one may be more than the file system takes.
    temporary = path.with_name(f".{secrets.token_hex(4)}.partial.{path.name[-_ENDING:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        with contextlib.suppress(OSError):  # not every file system and folder can be synced
            _sync(path.parent)
    except OSError as error:
        _discard(temporary)
        raise OutputError(f"{path}: cannot be written: {_reason(error)}.") from error
    except BaseException:
        _discard(temporary)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, line ends as given; file names of another encoding keep their bytes.

    Raises:
        OutputError: It cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode(errors="surrogateescape"))


def _discard(temporary: Path) -> None:
    with contextlib.suppress(OSError):  # where nothing can be written, nothing can be removed
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return error.strerror or str(error)

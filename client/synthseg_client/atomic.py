"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthseg_client.errors import OutputError

_ENDING = 12
"""Characters of a name that hold its ending, `.nii.gz` for instance."""
_thread = threading.local()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path` when the block ends well, else vanishes.

    The temporary name starts with a dot, so that no listing of scans picks it up, and ends like the
    final one, so that writers choose the right format.

    Within `together` it takes its place later.

    Raises:
        OutputError: The folder or the file cannot be written.
    """
    # Not the whole name: a longer one may be more than the file system takes.
    temporary = path.with_name(f".{secrets.token_hex(4)}.partial.{path.name[-_ENDING:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        held: list[tuple[Path, Path]] | None = getattr(_thread, "held", None)
        if held is None:
            _place(temporary, path)
        else:
            held.append((temporary, path))
    except OSError as error:
        _discard(temporary)
        raise _named(path, error) from error
    except BaseException:
        _discard(temporary)
        raise


@contextmanager
def together() -> Iterator[None]:
    """Files that this thread writes in the block take their places, in order, when it ends well.

    Else none does, and what was there stays.

    Raises:
        OutputError: A file cannot take its place.
    """
    held: list[tuple[Path, Path]] = []
    _thread.held = held
    try:
        yield
        for temporary, path in held:
            try:
                _place(temporary, path)
            except OSError as error:
                raise _named(path, error) from error
    finally:
        _thread.held = None
        for temporary, _ in held:
            _discard(temporary)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, line ends as given; file names of another encoding keep their bytes.

    Raises:
        OutputError: It cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode(errors="surrogateescape"))


def _place(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    with contextlib.suppress(OSError):  # not every file system and folder can be synced
        _sync(path.parent)


def _named(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {_reason(error)}.")


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

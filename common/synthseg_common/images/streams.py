"""Bytes of a file, plain or compressed by gzip, by what it holds and not by its name."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from synthseg_common.errors import ImageError, one_line, reason_of
from synthseg_common.images.content import GZIP, refuse_pointer

MOST_SHRUNK = 1100
"""No gzip stream shrinks its content by more."""
_BLOCK = 1 << 18
_BUFFER = 1 << 20
_GZIP_WINDOW = 31  # zlib's number for a gzip stream, whose checksum it compares


class _Inflating(io.RawIOBase):
    """A gzip file's content. Its checksums are compared; what follows the last stream is not.

    Python's own reader calls what follows a broken stream, so that the two cannot be told apart.
    """

    def __init__(self, compressed: BinaryIO) -> None:
        self._compressed = compressed
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self._input = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    # Python 3.11 has no name yet for the type of what holds bytes that may be written.
    def readinto(self, buffer: Any) -> int:
        """Fills some of the buffer; 0 at the end."""
        room = memoryview(buffer)
        while not self._ended:
            if not self._input:
                self._input = self._compressed.read(_BLOCK)
                if not self._input:
                    raise EOFError("the compressed file ends too early")
            part = self._stream.decompress(self._input, len(room))
            self._input = self._stream.unconsumed_tail
            if self._stream.eof:
                self._next_stream()
            if part:
                room[: len(part)] = part
                return len(part)
        return 0

    def _next_stream(self) -> None:
        """Goes on with what follows, zeros between streams passed over as gzip itself does."""
        left = self._stream.unused_data.lstrip(b"\0")
        while len(left) < len(GZIP) and (more := self._compressed.read(_BLOCK)):
            left = (left + more).lstrip(b"\0")
        if left.startswith(GZIP):
            self._stream, self._input = zlib.decompressobj(_GZIP_WINDOW), left
        else:
            self._ended = True


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedIOBase]:
    """A file's content, unpacked where it is compressed.

    Raises:
        ImageError: It is missing, no file, empty, locked, cut off, or not what was written.
    """
    refuse_unreadable(path)
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            if not compressed:
                yield raw
                return
            yield io.BufferedReader(_Inflating(raw), _BUFFER)
    except EOFError as error:
        raise ImageError(
            f"{path}: cut off: {one_line(error)}. Copy or download it again."
        ) from error
    except zlib.error as error:
        raise ImageError(
            f"{path}: damaged: what it holds is not what was compressed. Copy or download it again."
        ) from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened: {reason_of(error)}.") from error


def refuse_unreadable(path: Path) -> None:
    """Refuses what is no file with content that may be read.

    Raises:
        ImageError: It is missing, a folder, empty or locked.
    """
    try:
        refuse_pointer(path)
        if path.is_dir():
            raise ImageError(f"{path}: is a folder, expected a file.")
        if not path.exists():
            raise ImageError(f"{path}: no such file: check the name and its ending.")
        if path.stat().st_size == 0:
            raise ImageError(f"{path}: is empty.")
        path.open("rb").close()
    except PermissionError as error:
        raise ImageError(f"{path}: no permission to read it.") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened: {reason_of(error)}.") from error


def is_compressed(path: Path) -> bool:
    """Whether a file begins as gzip streams do.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as raw:
        return raw.read(len(GZIP)) == GZIP


def most_bytes(path: Path) -> int:
    """An upper bound of what a file holds, unpacked.

    Raises:
        OSError: It cannot be read.
    """
    return path.stat().st_size * (MOST_SHRUNK if is_compressed(path) else 1)


def skip(stream: io.BufferedIOBase, count: int) -> None:
    """Passes over bytes; fewer where the content ends before."""
    while count > 0 and (part := stream.read(min(count, _BUFFER))):
        count -= len(part)


def read_on(stream: io.BufferedIOBase) -> None:
    """Reads to the end, where a compressed file shows whether all before is what was written."""
    while stream.read(_BUFFER):
        pass

"""Files that are written whole or not at all, alone or several together."""

from __future__ import annotations

import contextlib
import lzma
import os
import secrets
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthseg_common.arrays import AnyArray
from synthseg_common.errors import OutputError, reason_of

DAMAGED_ARCHIVE = (
    OSError,
    EOFError,
    IndexError,
    KeyError,
    RuntimeError,  # NotImplementedError is one
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile and its decompressors raise about a damaged file, `.npz` included."""
_ENDING = 12
"""Characters of a name that hold its ending, `.nii.gz` for instance."""


@dataclass(frozen=True)
class _Placed:
    """A file that has taken its place, and what was there: its second name, if it has one."""

    path: Path
    was_there: bool
    earlier: Path | None

    def undo(self) -> None:
        with contextlib.suppress(OSError):
            if self.earlier is not None:
                self.earlier.replace(self.path)
            elif not self.was_there:
                self.path.unlink()


class FileGroup:
    r"""Files that take their places together, when the block ends well; else what was there stays.

    Every file is on disk under a temporary name before the first takes its place. Should one then
    fail to, those before it are undone: earlier files come back, new ones go. (Only a kill in the
    midst of the renames can leave some of the new files beside some of the old. Where the file
    system has no hard links, what was replaced cannot come back, and the new file stays.)

    Example:
        >>> with FileGroup() as group:  # doctest: +SKIP
        ...     write_text(Path("a.json"), "{}", group)
        ...     write_text(Path("b.csv"), "a,b\n", group)
    """

    def __init__(self) -> None:
        self._ready: list[tuple[Path, Path]] = []

    def __enter__(self) -> FileGroup:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._place_all()
        finally:
            for temporary, _path in self._ready:
                _discard(temporary)

    def add(self, temporary: Path, path: Path) -> None:
        """Takes a finished file that shall become `path`; the last one added is placed last."""
        self._ready.append((temporary, path))

    def _place_all(self) -> None:
        placed: list[_Placed] = []
        try:
            for temporary, path in self._ready:
                before = _Placed(path, was_there=os.path.lexists(path), earlier=_kept(path))
                try:
                    _place(temporary, path)
                except OSError as error:
                    _discard(before.earlier)
                    raise _unwritable(path, error) from error
                placed.append(before)
        except BaseException:
            for before in reversed(placed):
                before.undo()
            raise
        for before in placed:
            _discard(before.earlier)


@contextmanager
def replacing(path: Path, group: FileGroup | None = None) -> Iterator[Path]:
    """A temporary file that takes the place of `path` when the block ends well, else vanishes.

    The temporary name starts with a dot, so that no listing of scans picks it up, and ends like the
    final one, so that writers choose the right format. Parent folders are made.

    Args:
        path: The file to write.
        group: Files that take their places together; without one this file does so at once.

    Raises:
        OutputError: The folder or the file cannot be written.
    """
    # Not the whole name: a longer one may be more than the file system takes.
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        if group is None:
            _place(temporary, path)
        else:
            group.add(temporary, path)
    except OSError as error:
        _discard(temporary)
        if isinstance(error, OutputError):
            raise
        raise _unwritable(path, error) from error
    except BaseException:
        _discard(temporary)
        raise


def write_text(path: Path, text: str, group: FileGroup | None = None) -> None:
    """Writes UTF-8 text, line ends as given; file names of another encoding keep their bytes.

    Args:
        path: The file to write.
        text: Its content.
        group: As in `replacing`.

    Raises:
        OutputError: It cannot be written.
    """
    with replacing(path, group) as temporary:
        temporary.write_bytes(text.encode(errors="surrogateescape"))


def write_array(path: Path, array: AnyArray) -> None:
    """Writes one array in NumPy's format.

    Raises:
        OutputError: It cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)  # to a name, NumPy may add an ending


def probe_folder(folder: Path) -> None:
    """Makes a folder, and sees that files can be written there.

    Raises:
        OSError: They cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"probe")


def sync_tree(root: Path) -> None:
    """Makes sure that everything below a folder is on disk, before the folder gets its name."""
    for folder, _, names in os.walk(root):
        for path in (Path(folder), *(Path(folder) / name for name in names)):
            sync(path)


def sync(path: Path) -> None:
    """Makes sure that a file's content, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(4)}.partial.{path.name[-_ENDING:]}")


def _place(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    with contextlib.suppress(OSError):  # not every file system and folder can be synced
        sync(path.parent)


def _kept(path: Path) -> Path | None:
    """A second name for what lies at a place, from which it can come back; None for nothing."""
    second = _beside(path)
    try:
        os.link(path, second, follow_symlinks=False)
    except OSError:  # nothing there, or a file system without links
        return None
    return second


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {reason_of(error)}.")


def _discard(temporary: Path | None) -> None:
    if temporary is not None:
        with contextlib.suppress(OSError):  # where nothing can be written, nothing can be removed
            temporary.unlink(missing_ok=True)

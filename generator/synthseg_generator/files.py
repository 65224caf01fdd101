"""Files written whole or not at all: a temporary file beside the place, fsync, rename."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from synthseg_generator.errors import StoreError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path, with the same extension, that becomes `path` when the block ends well.

    Parent folders are made. When the block fails nothing stays behind.

    Raises:
        StoreError: The file cannot be written.
    """
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else path.suffix
    # Not the whole name: a longer one may be more than the file system takes.
    temporary = path.with_name(f".{secrets.token_hex(4)}.partial{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text; file names of another encoding keep their bytes.

    Raises:
        StoreError: The file cannot be written.
    """
    with whole(path) as temporary:
        temporary.write_bytes(text.encode(errors="surrogateescape"))


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes one array in NumPy's format.

    Raises:
        StoreError: The file cannot be written.
    """
    with whole(path) as temporary:
        np.save(temporary, array)


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

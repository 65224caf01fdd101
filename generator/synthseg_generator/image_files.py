"""Opens NIfTI and MGH files, and reads compressed ones to their end."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.openers import ImageOpener
from nibabel.wrapstruct import WrapStructError

EXTENSIONS = (".nii.gz", ".nii", ".mgz", ".mgh")
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, ImageFileError, WrapStructError)
"""What reading a file may raise when it is broken, or none."""
_MGH = (".mgz", ".mgh")
_NO_GZIP = "Not a gzipped file"  # Python's words where something else follows
_BLOCK = 1 << 20


@contextmanager
def opened(path: Path, *, header_only: bool = False) -> Iterator[Any]:
    """An image whose values are still on disk; in the end a compressed file has been read whole.

    Files are opened here because nibabel stops at the last voxel, before gzip's checksum, and
    leaves MGH files open.

    Args:
        path: The file.
        header_only: Read nothing that is not asked for. (Part of an MGH header lies at the end.)

    Raises:
        Exception: One of `UNREADABLE`: the file is missing, broken or none, or what was read of it
            is not what was written.
    """
    is_mgh = path.name.endswith(_MGH)
    first: Any = None if is_mgh else nib.load(path)
    if not is_mgh and (header_only or not path.name.endswith(".gz")):
        yield first
        return
    with ImageOpener(path) as stream:
        kind: Any = nib.MGHImage if is_mgh else type(first)
        with LoggingOutputSuppressor():  # what is odd about the header was told
            # Mapping into memory, which nibabel tries first, would decompress it all once more.
            image = kind.from_file_map({"image": FileHolder(str(path), stream)}, mmap=False)
        yield image
        if not header_only:
            _read_on(stream)


def _read_on(stream: ImageOpener) -> None:
    """Reads to the end, where gzip finds out whether all that came before is as it was written."""
    try:
        while stream.read(_BLOCK):
            pass
    except gzip.BadGzipFile as error:
        if _NO_GZIP not in str(error):
            raise
        # The volume was whole; what follows it gzip itself passes over.

"""Where DICOM files lie: in a folder, or packed in a zip, whose names are never used as paths."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from synthseg_common.errors import one_line
from synthseg_common.files import DAMAGED_ARCHIVE

from synthseg_client.dicom.recognition import (
    FIRST_BYTES,
    files_below,
    is_dicom,
    is_dicom_file,
)
from synthseg_client.errors import ScanError
from synthseg_client.inputs.places import is_folder

LARGEST_UNPACKED = 16 * 2**30
"""Bytes that a zip may promise in all: dozens of sessions."""
MOST_MEMBERS = 200_000
_BLOCK = 1 << 20
_ENCRYPTED = 0x1


class _Measured(io.BufferedReader):
    """Reads no more than is there: a length of gigabytes that a header claims takes no memory."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or those that are left."""
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


@dataclass(frozen=True)
class Packed:
    """A DICOM file, or one in a zip.

    Attributes:
        path: The file, or the zip.
        member: Number of the file in the zip; None for a file by itself.
    """

    path: Path
    member: int | None = None


class Reader:
    """Opens files, and each zip once.

    Example:
        >>> with Reader() as reader:  # doctest: +SKIP
        ...     digests = [reader.digest(file) for file in dicom_files(Path("study.zip"))]
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._zips: dict[Path, zipfile.ZipFile] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def open(self, file: Packed) -> Iterator[IO[bytes]]:
        """A file's bytes; of a zip never more than the zip promises.

        Raises:
            OSError: It cannot be read.
        """
        if file.member is None:
            with file.path.open("rb", buffering=0) as raw, _Measured(raw) as stream:
                yield stream
            return
        try:
            packed = self._zip(file.path)
            with packed.open(packed.infolist()[file.member]) as stream:
                yield stream
        except OSError:  # of the disk
            raise
        except DAMAGED_ARCHIVE as error:
            raise OSError(f"the zip is broken: {one_line(error)}") from error

    def bring(self, file: Packed, place: Path) -> None:
        """Makes a file readable at a place: as a link, or unpacked.

        Raises:
            OSError: It cannot be.
        """
        if file.member is None:
            place.symlink_to(file.path.absolute())
            return
        with self.open(file) as source, place.open("wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)

    def digest(self, file: Packed) -> str:
        """SHA-256 of a file's content.

        Raises:
            OSError: It cannot be read.
        """
        found = hashlib.sha256()
        with self.open(file) as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
        return found.hexdigest()

    def _zip(self, path: Path) -> zipfile.ZipFile:
        if path not in self._zips:
            self._zips[path] = self._open.enter_context(zipfile.ZipFile(path))
        return self._zips[path]


def dicom_files(source: Path) -> list[Packed]:
    """The DICOM files of a folder and those below it, of a zip, or the file itself.

    Raises:
        ScanError: It is a zip that is not opened: encrypted, broken, or larger than any session.
    """
    if is_folder(source):
        return [Packed(path) for path in files_below(source) if is_dicom_file(path)]
    if not zipfile.is_zipfile(source):
        return [Packed(source)]
    try:
        with zipfile.ZipFile(source) as packed:
            _refuse(source, packed)
            files = (Packed(source, i) for i, m in enumerate(packed.infolist()) if not m.is_dir())
            return [file for file in files if _is_dicom(packed, file)]
    except ScanError:
        raise
    except DAMAGED_ARCHIVE as error:
        raise ScanError(
            f"{source}: the zip cannot be read ({one_line(error)}): download or pack it again."
        ) from error


def _refuse(source: Path, packed: zipfile.ZipFile) -> None:
    """Refuses what would fill the disk, or needs a password."""
    members = packed.infolist()
    size = sum(member.file_size for member in members)
    if size > LARGEST_UNPACKED or len(members) > MOST_MEMBERS:
        raise ScanError(
            f"{source}: the zip holds {len(members)} files of {size / 2**30:.1f} GiB in all, more "
            f"than is unpacked here ({MOST_MEMBERS} of {LARGEST_UNPACKED / 2**30:.0f} GiB): unpack "
            "it yourself and give the folder."
        )
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise ScanError(f"{source}: the zip is encrypted: unpack it and give the folder.")


def _is_dicom(packed: zipfile.ZipFile, file: Packed) -> bool:
    with packed.open(packed.infolist()[file.member or 0]) as stream:
        return is_dicom(stream.read(FIRST_BYTES))

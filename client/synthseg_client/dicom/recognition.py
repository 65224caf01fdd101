"""What is DICOM, by content: files need no ending, and old ones have no preamble.

Imports no DICOM library, since every folder that is no folder of NIfTI files is looked at.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from synthseg_common.formats import format_of, is_scan_name

from synthseg_client.inputs.places import is_file, is_folder

FIRST_BYTES = 140
_PREAMBLE = 128
_MAGIC = b"DICM"
_ZIP_ENDING = ".zip"
# Files without a preamble begin with their first element: of group 0002, or 0008 up to its UIDs.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
_LARGEST_FIRST_ELEMENT = 0x0070
_LARGEST_FIRST_LENGTH = 256


def is_dicom(first: bytes) -> bool:
    """Whether a file that begins with these bytes is DICOM, with a preamble or without."""
    if first[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC:
        return True
    if len(first) < 8 or first[:2] not in _FIRST_GROUPS:
        return False
    if int.from_bytes(first[2:4], "little") > _LARGEST_FIRST_ELEMENT:
        return False
    says_type = first[4:6].isalpha() and first[4:6].isupper()
    length = first[6:8] if says_type else first[4:8]
    return int.from_bytes(length, "little") <= _LARGEST_FIRST_LENGTH


def files_below(folder: Path) -> Iterator[Path]:
    """All files of a folder and those below it, sorted; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place) / name for name in sorted(names))


def is_dicom_file(path: Path) -> bool:
    """Whether a file holds DICOM; what cannot be read holds none."""
    if not is_file(path):
        return False
    try:
        with path.open("rb") as stream:
            return is_dicom(stream.read(FIRST_BYTES))
    except OSError:
        return False


def is_dicom_source(path: Path) -> bool:
    """Whether a path is a folder of DICOM files, a zip, or a DICOM file.

    A folder that holds scans of other formats is one of those. Of a folder of folders, what is met
    first decides.
    """
    if is_folder(path):
        return not _holds_scans(path) and _first_met_is_dicom(path)
    if not is_file(path) or format_of(path) is not None:
        return False
    if path.name.lower().endswith(_ZIP_ENDING):
        return zipfile.is_zipfile(path)
    return is_dicom_file(path)


def _first_met_is_dicom(folder: Path) -> bool:
    for path in files_below(folder):
        if is_scan_name(path):
            return False
        if is_dicom_file(path):
            return True
    return False


def _holds_scans(folder: Path) -> bool:
    try:
        return any(is_scan_name(path) and not is_folder(path) for path in folder.iterdir())
    except OSError:
        return True  # what the search for scans will tell

"""Which scans the values of `--i` stand for: files, folders, patterns, a list."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from synthseg_common.formats import WRITABLE, format_of, is_scan_name, stem_of

from synthseg_client.errors import UsageError
from synthseg_client.inputs.patterns import (
    is_pattern,
    matches,
    refuse_unexpanded_path,
    refuse_unexpanded_pattern,
)
from synthseg_client.inputs.places import is_folder, is_there, real

LIST_ENDING = ".txt"
_HEADER = ".hdr"
_IMAGES = (".img", ".img.gz")
_WIDE_ENCODINGS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def is_list(path: Path) -> bool:
    """Whether a name is that of a list of files."""
    is_name = is_there(path) or not is_pattern(str(path))
    return path.name.lower().endswith(LIST_ENDING) and is_name and not is_folder(path)


def is_many(argument: str) -> bool:
    """Whether an argument stands for any number of scans."""
    path = Path(argument)
    return is_folder(path) or (is_pattern(argument) and not is_there(path))


def find_scans(arguments: Iterable[str]) -> list[Path]:
    """The files behind the arguments, each once, in the arguments' order.

    Raises:
        UsageError: An argument stands for no scan, or is one that only a shell understands.
    """
    return without_repeats(path for argument in arguments for path in _find(argument))


def without_repeats(scans: Iterable[Path]) -> list[Path]:
    """Each scan once; of an Analyze pair whose two files are named, the image."""
    places: dict[Path, Path] = {}
    for scan in scans:
        # Two links to one file are two scans: tools that store equal files once make such.
        places.setdefault(real(scan.parent) / scan.name, scan)
    images = {place.with_name(stem_of(place)) for place in places if _ending(place) in _IMAGES}
    return [
        scan
        for place, scan in places.items()
        if _ending(place) != _HEADER or place.with_name(stem_of(place)) not in images
    ]


def _ending(path: Path) -> str:
    kind = format_of(path)
    return kind.suffix if kind else ""


def _find(argument: str) -> list[Path]:
    path = Path(argument)
    if not argument.strip():
        raise UsageError("--i: an empty name was given: is a variable of the shell not set?")
    if is_folder(path):
        return _scans_of_folder(path)
    if not is_there(path):
        refuse_unexpanded_pattern(argument)
        if is_pattern(argument):
            return _scans_of_pattern(argument)
    if is_list(path):
        raise UsageError(f"{path}: a .txt list must be the only --i.")
    if format_of(path) is None:
        raise UsageError(
            f"{path}: not a scan by its name: expected {', '.join(WRITABLE)}, .img or .hdr."
        )
    return [path]


def _scans_of_folder(folder: Path) -> list[Path]:
    inside = list(_scans_in(folder))
    if not inside:
        raise UsageError(
            f"{folder}: no scan in this folder: expected {', '.join(WRITABLE)} or .img files; for "
            f"those in the folders below it give a pattern in quotes, '{folder}/**/*.nii.gz'."
        )
    return inside


def _scans_in(folder: Path) -> Iterator[Path]:
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder}: cannot be listed: {error.strerror}.") from error
    return (path for path in inside if is_scan_name(path) and not is_folder(path))


def _scans_of_pattern(pattern: str) -> list[Path]:
    """What the shell would have put in the pattern's place, without what is no scan."""
    found = matches(pattern)
    scans: list[Path] = []
    for path in found:
        if is_folder(path):
            scans.extend(_scans_in(path))
        elif format_of(path) is not None:
            scans.append(path)
    if not scans:
        others = f", but others such as {found[0]}" if found else ""
        raise UsageError(f"{pattern}: no scan matches this pattern{others}.")
    return scans


def read_list(path: Path) -> list[Path]:
    """The files that a list names, one a line, blank lines left out.

    Raises:
        UsageError: It cannot be read, holds no name, or one that only a shell understands.
    """
    entries = list_entries(path)
    for entry in entries:
        if not is_there(Path(entry)):
            refuse_unexpanded_path(entry, f"{path}: {entry}")
    return [Path(entry) for entry in entries]


def list_entries(path: Path) -> list[str]:
    """The lines of a list, blank ones left out, whatever they name.

    Raises:
        UsageError: It cannot be read, or holds no name.
    """
    entries = [line.strip() for line in re.split("\r\n|\n|\r", _text_of(path))]
    entries = [entry for entry in entries if entry]
    if any("\0" in entry for entry in entries):
        raise UsageError(f"{path}: is no text, expected one file name per line.")
    if not entries:
        raise UsageError(f"{path}: holds no file name, expected one per line.")
    return entries


def _text_of(path: Path) -> str:
    """A list as text; editors and shells on Windows put a byte order mark before it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a list of files: {error}.") from error
    for mark, encoding in _WIDE_ENCODINGS.items():
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise UsageError(f"{path}: is no text, expected one file name per line.") from error
    # Lists that were put one after the other have marks in the middle. What follows is as the file
    # system spells names, which need not be UTF-8.
    return os.fsdecode(re.sub(b"(?m)^" + codecs.BOM_UTF8, b"", content))

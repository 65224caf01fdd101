"""Reads the colour tables in image files, by FreeSurfer's layout and without our own writer."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

from loading import load_nifti

Entry = tuple[int, str, int, int, int, int]
OLD_COLORTABLE = 1
_END = -1
_MGH_HEADER = 284
_MGH_SIZES = {0: 1, 1: 4, 4: 2}
_SCAN_PARAMETERS = 20


def table_in(path: Path) -> list[Entry] | None:
    """The table of a label map, MGH or NIfTI; None where it has none."""
    if ".mg" in path.name:
        return _table_in_mgh(path)
    extensions = load_nifti(path).header.extensions
    if not extensions:
        return None
    (extension,) = extensions
    assert extension.get_code() == 14
    return _table_in_extension(bytes(extension.get_content()))


def _table_in_mgh(path: Path) -> list[Entry] | None:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".mgz" else path.read_bytes()
    x, y, z, frames, kind = struct.unpack_from(">5i", content, 4)
    tags = content[_MGH_HEADER + x * y * z * frames * _MGH_SIZES[kind] + _SCAN_PARAMETERS :]
    if not tags:
        return None
    (tag,) = struct.unpack_from(">i", tags)
    assert tag == OLD_COLORTABLE
    entries, end = read_table(tags, 4)
    assert end == len(tags)
    return entries


def _table_in_extension(content: bytes) -> list[Entry]:
    assert content[:4] == b">\0\0\x01"
    position, found = 4, {}
    while position < len(content):
        tag, length = struct.unpack_from(">iq", content, position)
        position += 12
        found[tag] = content[position : position + length]
        assert len(found[tag]) == length
        position += length
    assert list(found)[-1] == _END  # the last one, and no zeros: nibabel takes those for padding
    entries, end = read_table(found[OLD_COLORTABLE], 0)
    assert end == len(found[OLD_COLORTABLE])
    return entries


def read_table(content: bytes, position: int) -> tuple[list[Entry], int]:
    """The entries of a binary table, and where it ends."""
    version, size, source = struct.unpack_from(">iii", content, position)
    assert version == -2
    position += 12 + source
    (count,) = struct.unpack_from(">i", content, position)
    position += 4
    entries = []
    for _ in range(count):
        value, length = struct.unpack_from(">ii", content, position)
        position += 8
        name = content[position : position + length]
        assert name.endswith(b"\0")
        position += length
        entries.append((value, name[:-1].decode(), *struct.unpack_from(">iiii", content, position)))
        position += 16
    assert size == max(entry[0] for entry in entries) + 1
    return entries, position

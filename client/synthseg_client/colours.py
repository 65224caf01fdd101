"""Colours of structures, and the tables that viewers read them from.

The colours of FreeSurfer's own labels are FreeSurfer's; any other label gets a fixed colour of its
own.
"""

from __future__ import annotations

import colorsys
import struct
from collections.abc import Sequence
from pathlib import Path

from synthseg_common.files import FileGroup, write_text

Rgb = tuple[int, int, int]

_SIDED: dict[tuple[int, int], Rgb] = {
    (2, 41): (245, 245, 245),
    (4, 43): (120, 18, 134),
    (5, 44): (196, 58, 250),
    (7, 46): (220, 248, 164),
    (8, 47): (230, 148, 34),
    (10, 49): (0, 118, 14),
    (11, 50): (122, 186, 220),
    (12, 51): (236, 13, 176),
    (17, 53): (220, 216, 20),
    (18, 54): (103, 255, 255),
    (26, 58): (255, 165, 0),
    (28, 60): (165, 42, 42),
}
FREESURFER_COLOURS: dict[int, Rgb] = {
    0: (0, 0, 0),
    3: (205, 62, 78),
    42: (205, 62, 78),
    13: (12, 48, 255),
    52: (13, 48, 255),
    14: (204, 182, 142),
    15: (42, 204, 164),
    16: (119, 159, 176),
    24: (60, 60, 60),
    **{value: colour for sides, colour in _SIDED.items() for value in sides},
}
_GOLDEN_ANGLE = 0.618033988749895

_TAG_OLD_COLORTABLE = 1
_COLORTABLE_VERSION = -2


def colour_of(value: int) -> Rgb:
    """Red, green and blue, 0 to 255, of a label value."""
    if value in FREESURFER_COLOURS:
        return FREESURFER_COLOURS[value]
    red, green, blue = colorsys.hsv_to_rgb(
        value * _GOLDEN_ANGLE % 1, 0.55 + 0.1 * (value % 4), 0.95
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def write_dseg_tsv(
    path: Path, values: Sequence[int], names: Sequence[str], group: FileGroup | None = None
) -> None:
    """Writes the table that BIDS asks for beside a segmentation: index, name, colour.

    Raises:
        OutputError: It cannot be written.
    """
    rows = [f"{v}\t{n}\t#{bytes(colour_of(v)).hex()}\n" for v, n in zip(values, names, strict=True)]
    write_text(path, "index\tname\tcolor\n" + "".join(rows), group)


def write_ctab(
    path: Path, values: Sequence[int], names: Sequence[str], group: FileGroup | None = None
) -> None:
    """Writes FreeSurfer's colour table: number, name, red, green, blue, transparency.

    Raises:
        OutputError: It cannot be written.
    """
    lines = [
        f"{value:<5d} {_one_word(name):<40s} {' '.join(f'{c:3d}' for c in colour_of(value))}   0\n"
        for value, name in zip(values, names, strict=True)
    ]
    write_text(
        path, "#No. Label Name:                            R   G   B   A\n" + "".join(lines), group
    )


def mgh_tag(values: Sequence[int], names: Sequence[str]) -> bytes:
    """The colour table as FreeSurfer appends it to an MGH file, big endian.

    Layout: tag 1; version -2; one more than the largest value; length and text of a file name;
        number of entries; for
    each value, length and text of the name with a closing zero, red, green, blue, transparency.
    """
    parts = [
        struct.pack(">iii", _TAG_OLD_COLORTABLE, _COLORTABLE_VERSION, max(values) + 1),
        _text("synthseg"),
    ]
    parts.append(struct.pack(">i", len(values)))
    for value, name in zip(values, names, strict=True):
        parts += [
            struct.pack(">i", value),
            _text(_one_word(name)),
            struct.pack(">iiii", *colour_of(value), 0),
        ]
    return b"".join(parts)


def _text(text: str) -> bytes:
    encoded = text.encode() + b"\0"
    return struct.pack(">i", len(encoded)) + encoded


def _one_word(name: str) -> str:
    return "-".join(name.split())

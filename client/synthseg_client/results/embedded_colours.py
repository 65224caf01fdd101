"""Names and colours of labels inside image files, as FreeSurfer's programs read them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from nibabel.nifti1 import Nifti1Extension
from synthseg_common.arrays import AnyDType
from synthseg_common.colours import colour_of

from synthseg_client.model import LabelTable

NIFTI_CODE = 14
"""Number of FreeSurfer's extensions among those of NIfTI headers."""
_TAG_OLD_COLORTABLE = 1
_TAG_DEGREES_OF_FREEDOM = 7
_TAG_END = -1
_COLORTABLE_VERSION = -2
_EXTENSION_VERSION = 1
_INTENT_IMAGE = 0
# The end has content: readers such as nibabel take zeros at the end of an extension for padding.
_END = b"*"


class ColourEntry(NamedTuple):
    """A label's name and colour.

    Attributes:
        value: The label.
        name: One word.
        red: 0 to 255, as the others.
        green: See `red`.
        blue: See `red`.
        transparency: 0 is opaque.
    """

    value: int
    name: str
    red: int
    green: int
    blue: int
    transparency: int = 0


class Embedded(Enum):
    """Which label maps hold names and colours."""

    MGH = "those in MGH files"
    ALL = "those in MGH and NIfTI files"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class LabelFileForm:
    """How label maps are stored.

    Attributes:
        dtype: Type of the numbers; None is the smallest that holds the table.
        embedded: Which files hold names and colours.
        colours: Of which labels; None for those that may occur.
    """

    dtype: AnyDType | None = None
    embedded: Embedded = Embedded.MGH
    colours: tuple[ColourEntry, ...] | None = None

    def in_mgh(self, table: LabelTable) -> bytes:
        """What goes after the scan parameters of an MGH file."""
        if self.embedded is Embedded.NONE:
            return b""
        return mgh_tag(self._entries(table), "synthseg" if self.colours is None else "")

    def in_nifti(self, table: LabelTable) -> list[Nifti1Extension]:
        """Extensions of a NIfTI header."""
        if self.embedded is not Embedded.ALL:
            return []
        return [nifti_extension(self._entries(table))]

    def _entries(self, table: LabelTable) -> Sequence[ColourEntry]:
        return entries_of(table) if self.colours is None else self.colours


def entries_of(table: LabelTable) -> tuple[ColourEntry, ...]:
    """Names and colours of the labels of a table."""
    return tuple(
        ColourEntry(value, one_word(name), *colour_of(value))
        for value, name in zip(table.values, table.names, strict=True)
    )


def one_word(name: str) -> str:
    """A name as FreeSurfer's lists can hold it."""
    return "-".join(name.split())


def mgh_tag(entries: Sequence[ColourEntry], source: str = "") -> bytes:
    """The colour table as FreeSurfer appends it to an MGH file, big endian.

    Args:
        entries: Of the labels.
        source: Name of the file that they came from.
    """
    return struct.pack(">i", _TAG_OLD_COLORTABLE) + _binary_table(entries, source)


def nifti_extension(entries: Sequence[ColourEntry]) -> Nifti1Extension:
    """The colour table as FreeSurfer's programs of 2024 and later look for it in NIfTI headers.

    Layout, big endian: `>`, intent (uint16), version (uint8); tags, each a number (int32), length
    of what follows (int64), content.
    """
    return Nifti1Extension(
        NIFTI_CODE,
        b"".join(
            (
                struct.pack(">cHB", b">", _INTENT_IMAGE, _EXTENSION_VERSION),
                _tag(_TAG_OLD_COLORTABLE, _binary_table(entries, "")),
                _tag(_TAG_DEGREES_OF_FREEDOM, struct.pack(">i", 1)),
                _tag(_TAG_END, _END),
            )
        ),
    )


def _tag(number: int, content: bytes) -> bytes:
    return struct.pack(">iq", number, len(content)) + content


def _binary_table(entries: Sequence[ColourEntry], source: str) -> bytes:
    """The table itself.

    Layout: version -2; one more than the largest value; length and text of the source's name, with
        a closing zero if there is one; number of entries; for each value, length and text of the
        name with a closing zero, red, green, blue, transparency.
    """
    largest = max(entry.value for entry in entries)
    parts = [
        struct.pack(">ii", _COLORTABLE_VERSION, largest + 1),
        _text(source) if source else struct.pack(">i", 0),
        struct.pack(">i", len(entries)),
    ]
    for value, name, *colour in entries:
        parts += [struct.pack(">i", value), _text(name), struct.pack(">iiii", *colour)]
    return b"".join(parts)


def _text(text: str) -> bytes:
    encoded = text.encode() + b"\0"
    return struct.pack(">i", len(encoded)) + encoded

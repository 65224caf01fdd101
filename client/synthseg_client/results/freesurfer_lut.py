"""FreeSurfer's list of all labels, `FreeSurferColorLUT.txt`."""

from __future__ import annotations

from pathlib import Path

from synthseg_common.errors import reason_of

from synthseg_client.errors import UsageError
from synthseg_client.results.embedded_colours import ColourEntry

LUT_NAME = "FreeSurferColorLUT.txt"
"""The file's name in `$FREESURFER_HOME`."""
_EXPECTED = "number, name, red, green, blue and transparency, the last four from 0 to 255"
_FIELDS = 6
_LARGEST_COLOUR = 255
_LARGEST_LABEL = 2**31 - 2  # one more has to fit an int32 in image files


def read_lut(path: Path) -> tuple[ColourEntry, ...]:
    """All labels of a list, in its order.

    What follows the transparency in a line is not looked at; of a number that comes twice the last
    line counts, as in FreeSurfer.

    Raises:
        UsageError: It cannot be read, or a line is malformed; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {reason_of(error)}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is no UTF-8 text, expected a list of labels.") from error
    entries = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            entry = _entry(fields)
            if entry is None:
                raise UsageError(f"{path}, line {number}: {line.strip()!r}: expected {_EXPECTED}.")
            entries[entry.value] = entry
    if not entries:
        raise UsageError(f"{path}: holds no label, expected lines of {_EXPECTED}.")
    return tuple(entries.values())


def _entry(fields: list[str]) -> ColourEntry | None:
    """The label of a line; None where it is none."""
    if len(fields) < _FIELDS:
        return None
    try:
        value, *colour = (int(field) for field in (fields[0], *fields[2:_FIELDS]))
    except ValueError:
        return None
    if not 0 <= value <= _LARGEST_LABEL or not all(0 <= c <= _LARGEST_COLOUR for c in colour):
        return None
    red, green, blue, transparency = colour
    return ColourEntry(value, fields[1], red, green, blue, transparency)

"""The tables that viewers read names and colours of structures from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthseg_common.colours import colour_of
from synthseg_common.files import FileGroup, write_text

from synthseg_client.results.embedded_colours import one_word


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
        f"{value:<5d} {one_word(name):<40s} {' '.join(f'{c:3d}' for c in colour_of(value))}   0\n"
        for value, name in zip(values, names, strict=True)
    ]
    write_text(
        path, "#No. Label Name:                            R   G   B   A\n" + "".join(lines), group
    )

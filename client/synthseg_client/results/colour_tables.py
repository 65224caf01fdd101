"""The tables that viewers read names and colours of structures from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthseg_common.colours import colour_of
from synthseg_common.files import FileGroup, write_text
from synthseg_common.labels import BACKGROUND

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


def write_itksnap(
    path: Path, values: Sequence[int], names: Sequence[str], group: FileGroup | None = None
) -> None:
    """Writes ITK-SNAP's label descriptions, for its Segmentation > Import Label Descriptions.

    Columns: value, red, green, blue, opacity 0 to 1, whether it is visible, whether it has a
    surface, name. Background is clear, as ITK-SNAP wants its label 0.

    Raises:
        OutputError: It cannot be written.
    """
    lines = []
    for value, name in zip(values, names, strict=True):
        seen = int(value != BACKGROUND)
        colour = " ".join(f"{c:3d}" for c in colour_of(value))
        told = " ".join(name.replace('"', "'").split()) if seen else "Clear Label"
        lines.append(f'{value:5d}  {colour}  {seen}  {seen}  {seen}  "{told}"\n')
    header = "# ITK-SnAP Label Description File\n# IDX  R G B  A  VIS  MSH  LABEL\n"
    write_text(path, header + "".join(lines), group)


def write_ctbl(
    path: Path, values: Sequence[int], names: Sequence[str], group: FileGroup | None = None
) -> None:
    """Writes 3D Slicer's colour table: value, name in one word, red, green, blue, opacity to 255.

    Raises:
        OutputError: It cannot be written.
    """
    lines = []
    for value, name in zip(values, names, strict=True):
        colour = " ".join(map(str, colour_of(value)))
        opacity = 0 if value == BACKGROUND else 255
        lines.append(f"{value} {'_'.join(name.split())} {colour} {opacity}\n")
    write_text(path, f"# Color table file {path.name}\n" + "".join(lines), group)

"""The table of participants: kept from the dataset, for those with results."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from synthseg_common.files import FileGroup, write_text

PARTICIPANTS = "participants.tsv"
PARTICIPANT = "participant_id"
MISSING = "n/a"


def keep_participants(root: Path, out: Path, subjects: Collection[str], group: FileGroup) -> str:
    """Writes the dataset's rows of some participants, and its data dictionary.

    Args:
        root: The dataset.
        out: Folder of the derivatives.
        subjects: The participants, with `sub-`; those that the dataset's table lacks get a row.
        group: Files that take their places together.

    Returns:
        Why the dataset's table cannot be read, in one line; empty if it can.

    Raises:
        OutputError: A file cannot be written.
    """
    problem = ""
    header, rows = [PARTICIPANT], dict[str, list[str]]()
    source = root / PARTICIPANTS
    try:
        if source.exists():
            header, rows = _read(source)
    except (OSError, ValueError, IndexError) as error:
        problem = f"{source}: cannot be read as a table of participants: {error}."
    for subject in set(subjects) - rows.keys():
        rows[subject] = [subject if name == PARTICIPANT else MISSING for name in header]
    kept = [header, *(rows[subject] for subject in sorted(subjects))]
    write_text(out / PARTICIPANTS, "".join("\t".join(row) + "\n" for row in kept), group)
    dictionary = source.with_suffix(".json")
    with contextlib.suppress(FileNotFoundError, ValueError):
        write_text(out / dictionary.name, dictionary.read_text(encoding="utf-8"), group)
    return problem


def _read(table: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Header, and rows by participant."""
    lines = [line for line in table.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    header, *rows = [line.split("\t") for line in lines]
    place = header.index(PARTICIPANT)
    return header, {row[place]: row for row in rows}

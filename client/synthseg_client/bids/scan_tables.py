"""The tables of one scan that the participant level left, read by the group level."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from synthseg_client.bids.layout import LABELS, TABLE_ENDING
from synthseg_client.bids.names import BidsName, parse_name

Wants = Callable[[BidsName], bool]
"""Whether a scan is wanted, by its name."""


@dataclass(frozen=True)
class ScanRow:
    """The numbers of one scan.

    Attributes:
        scan: The scan by its path in the dataset, as the label map's sidecar has it.
        name: The scan's name.
        numbers: By name, as they were written.
    """

    scan: str
    name: BidsName
    numbers: Mapping[str, str]

    @property
    def subject(self) -> str:
        """The participant, as tables name them."""
        return f"sub-{self.name.value('sub')}"

    @property
    def session(self) -> str | None:
        """The session, as tables name it."""
        label = self.name.value("ses")
        return f"ses-{label}" if label else None

    @property
    def kind(self) -> str:
        """The scan's name without the participant: what each participant has at most one of."""
        others = [f"{key}-{value}" for key, value in self.name.entities if key != "sub"]
        return "_".join([*others, self.name.suffix])


def read_rows(out: Path, suffix: str, wants: Wants) -> tuple[list[ScanRow], list[str]]:
    """The numbers of all scans that are wanted.

    Args:
        out: Folder of the derivatives.
        suffix: Of the tables.
        wants: Whether a scan is.

    Returns:
        Rows, sorted by scan; and tables that cannot be read, a line each.
    """
    rows, problems = [], []
    pattern = f"anat/*_{suffix}{TABLE_ENDING}"
    for path in sorted([*out.glob(f"sub-*/{pattern}"), *out.glob(f"sub-*/ses-*/{pattern}")]):
        try:
            row = _read(path, suffix)
        except (OSError, ValueError, LookupError, TypeError) as error:
            problems.append(f"{path}: cannot be read as a table of one scan: {error}.")
            continue
        if wants(row.name):
            rows.append(row)
    return sorted(rows, key=lambda row: row.scan), problems


def _read(path: Path, suffix: str) -> ScanRow:
    stem = path.name.removesuffix(f"_{suffix}{TABLE_ENDING}")
    told = json.loads(path.with_name(f"{stem}_{LABELS}.json").read_bytes())
    scan = str(told["Sources"][0]).split(":", 2)[2]
    name = parse_name(PurePosixPath(scan).name)
    if name is None:
        raise ValueError(f"its sidecar names {scan}, which is no name of BIDS")
    return ScanRow(scan, name, _numbers(path))


def _numbers(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)) or [[]]
    if header != ["name", "value"]:
        raise ValueError("expected the columns name and value")
    numbers = dict[str, str]()
    for name, value in rows:
        float(value)  # whatever is none is told of
        numbers[name] = value
    return numbers

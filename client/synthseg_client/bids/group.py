"""Group level: tables of all scans, `phenotype/` with data dictionaries, and participants."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthseg_common.files import FileGroup, write_text

from synthseg_client.bids.layout import QUALITY, TABLE_ENDING, VOLUMES
from synthseg_client.bids.participants import MISSING, PARTICIPANT, keep_participants
from synthseg_client.bids.scan_tables import ScanRow, Wants, read_rows

PHENOTYPE = "phenotype"
_SESSION, _SCAN = "session_id", "scan"


@dataclass(frozen=True)
class Measure:
    """What the tables of the group hold.

    Attributes:
        suffix: Of the tables of one scan that they are made of.
        tool: What the numbers come from, for data dictionaries.
        describe: Of the name of a column, what it holds.
    """

    suffix: str
    tool: str
    describe: Callable[[str], dict[str, object]]

    @property
    def stem(self) -> str:
        """How the names of its tables begin."""
        return f"synthseg_{self.suffix}"


MEASURES = (
    Measure(
        VOLUMES,
        "Volumes of structures, from the probabilities that SynthSeg gives each voxel.",
        lambda name: {"Description": f"Volume of {name}", "Units": "mm^3"},
    ),
    Measure(
        QUALITY,
        "Scores of SynthSeg's segmentations, as SynthSeg predicts them without a reference.",
        lambda name: {
            "Description": f"Predicted Dice score of {name}: 0 is worst, 1 is best",
            "Minimum": 0,
            "Maximum": 1,
        },
    ),
)


@dataclass
class Gathered:
    """What the group level wrote.

    Attributes:
        rows: Number of scans by table.
        problems: What cannot be read, one line each.
    """

    rows: dict[Path, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def gather(root: Path, out: Path, wants: Wants) -> Gathered:
    """Writes the tables of the group.

    Of each measure there is one table of all scans in the folder itself, which is no file of BIDS,
    and one for each kind of scan in `phenotype/`: BIDS takes one row per participant there.

    Args:
        root: The dataset, whose table of participants is kept.
        out: Folder of the derivatives.
        wants: Whether a scan belongs into the tables.

    Raises:
        OutputError: A file cannot be written; what was there stays.
    """
    gathered = Gathered()
    subjects = set[str]()
    with FileGroup() as group:
        for measure in MEASURES:
            rows, problems = read_rows(out, measure.suffix, wants)
            gathered.problems += problems
            subjects |= {row.subject for row in rows}
            for table, part in _tables(out, measure, rows):
                _write(table, measure, part, group)
                gathered.rows[table] = len(part)
        if subjects and (problem := keep_participants(root, out, subjects, group)):
            gathered.problems.append(problem)
    if gathered.rows:
        _drop_others(out, gathered)
    return gathered


def _tables(
    out: Path, measure: Measure, rows: Sequence[ScanRow]
) -> Iterator[tuple[Path, Sequence[ScanRow]]]:
    """The tables of a measure and their rows."""
    if rows:
        yield out / f"{measure.stem}{TABLE_ENDING}", rows
    kinds = defaultdict[str, list[ScanRow]](list)
    for row in rows:
        kinds[row.kind].append(row)
    for kind, of_kind in sorted(kinds.items()):
        yield out / PHENOTYPE / f"{measure.stem}_{kind}{TABLE_ENDING}", of_kind


def _write(table: Path, measure: Measure, rows: Sequence[ScanRow], group: FileGroup) -> None:
    """Writes a table and its data dictionary."""
    columns = list(dict.fromkeys(name for row in rows for name in row.numbers))
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
    writer.writerow([PARTICIPANT, _SESSION, _SCAN, *columns])
    for row in rows:
        numbers = (row.numbers.get(column, MISSING) for column in columns)
        writer.writerow([row.subject, row.session or MISSING, row.scan, *numbers])
    write_text(table, text.getvalue(), group)
    dictionary = json.dumps(_dictionary(measure, columns), indent=2) + "\n"
    write_text(table.with_suffix(".json"), dictionary, group)


def _dictionary(measure: Measure, columns: Sequence[str]) -> dict[str, object]:
    return {
        "MeasurementToolMetadata": {"Description": measure.tool},
        PARTICIPANT: {"Description": "Participant, as in participants.tsv"},
        _SESSION: {"Description": "Session that the scan is of; n/a where there are none"},
        _SCAN: {"Description": "The scan, by its path in the dataset that it is of"},
        **{column: measure.describe(column) for column in columns},
    }


def _drop_others(out: Path, gathered: Gathered) -> None:
    """Removes tables of kinds of scans that an earlier run found, and this one did not."""
    for measure in MEASURES:
        for table in (out / PHENOTYPE).glob(f"{measure.stem}_*{TABLE_ENDING}"):
            if table not in gathered.rows:
                table.unlink()
                table.with_suffix(".json").unlink(missing_ok=True)

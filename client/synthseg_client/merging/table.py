"""The table of all scans: what became of each, its volumes and its quality."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from synthseg_common.files import write_text

from synthseg_client.merging.rows import Merged, Row
from synthseg_client.results.volume_table import as_score, as_volume

COLUMNS = ("subject", "status", "model", "scan", "labels", "error")
"""Before the volumes."""
QUALITY = "quality of "
"""Before the name of a group of structures."""


def write_merged(path: Path, merged: Merged) -> None:
    """Writes one row for each scan; what a scan has no number for stays empty.

    Raises:
        OutputError: It cannot be written.
    """
    structures = _names(row.volumes for row in merged.rows)
    groups = _names(row.quality for row in merged.rows)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *structures, *(QUALITY + group for group in groups)])
    for row in merged.rows:
        writer.writerow(_cells(row, structures, groups))
    write_text(path, text.getvalue())


def _cells(row: Row, structures: Iterable[str], groups: Iterable[str]) -> list[str]:
    is_done = row.status == "done"
    volumes = row.volumes if is_done else {}
    quality = row.quality if is_done else {}
    return [
        *(str(getattr(row, column)) for column in COLUMNS),
        *(as_volume(volumes[name]) if name in volumes else "" for name in structures),
        *(as_score(quality[name]) if name in quality else "" for name in groups),
    ]


def _names(told: Iterable[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for numbers in told for name in numbers))

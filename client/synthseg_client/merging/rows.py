"""What became of one scan of a dataset, for the table of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["done", "incomplete", "failed", "missing"]
ORDER: tuple[Status, ...] = ("done", "incomplete", "failed", "missing")
"""From the best that can be told of a scan to the worst."""


@dataclass(frozen=True)
class Row:
    """What became of one scan.

    Attributes:
        subject: What tables call it.
        scan: Its path or address.
        status: Whether it was done; is done no more, since a file is gone or was changed; failed;
            or was never begun.
        labels: Its label map.
        model: Name and version of the model that answered.
        error: Why it is not done.
        series: Which of a DICOM source; empty for other scans.
        digest: SHA-256 of the scan.
        volumes: mm³ by structure.
        quality: Predicted Dice by group of structures.
    """

    subject: str
    scan: str
    status: Status
    labels: str = ""
    model: str = ""
    error: str = ""
    series: str = ""
    digest: str = ""
    volumes: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Merged:
    """What became of a dataset.

    Attributes:
        rows: One for each scan, by subject.
        duplicates: Results of scans that are counted already, and where.
        twins: Scans of one content under several names, which are all counted.
    """

    rows: tuple[Row, ...]
    duplicates: tuple[tuple[Row, Row], ...] = ()
    twins: tuple[tuple[Row, Row], ...] = ()

    def of(self, status: Status) -> list[Row]:
        """The rows of one status."""
        return [row for row in self.rows if row.status == status]

    @property
    def models(self) -> dict[str, int]:
        """How many scans each model did."""
        names = sorted(row.model or "unknown" for row in self.of("done"))
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @property
    def tables(self) -> int:
        """How many different lists of structures there are."""
        return len({tuple(row.volumes) for row in self.of("done")})

"""How to go through a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from synthseg_client.batch.tasks import SIDECAR_ENDING, TABLE_ENDINGS
from synthseg_client.options import Options


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How to go through a batch.

    Attributes:
        options: How to segment each scan.
        jobs: Scans in work at once: while the server has one, others are prepared and cleaned up.
        requests: Scans at the server at once.
        journal: Where finished scans are recorded; None records nothing.
        resume: Skip scans whose results are complete and were made with the same model and options.
        sidecar: Write a JSON file beside each label map: model, options, hash of the scan, timing.
        tables: Write label tables beside each label map: `.tsv` (BIDS), `.ctab` (FreeSurfer),
            `.label.txt` (ITK-SNAP) and `.ctbl` (3D Slicer).
    """

    options: Options = field(default_factory=Options)
    jobs: int = 2
    requests: int = 1
    journal: Path | None = None
    resume: bool = False
    sidecar: bool = True
    tables: bool = False

    def beside(self) -> tuple[str, ...]:
        """Endings of the files to write beside each label map."""
        return (SIDECAR_ENDING,) * self.sidecar + TABLE_ENDINGS * self.tables

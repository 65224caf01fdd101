"""How to go through a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthseg_client.batch.tasks import SIDECAR_ENDING, TABLE_ENDINGS, ScanTask
from synthseg_client.options import Options
from synthseg_client.results.embedded_colours import LabelFileForm
from synthseg_client.segmentation.result import Segmentation
from synthseg_client.storage.mirror import Mirror

Facts = Callable[[ScanTask, Path, Segmentation], Mapping[str, object]]
"""What a sidecar tells first: of a scan, one of the images made of it, and what came of it."""


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
        tables: Write label tables beside each label map.
        table_endings: Of which kinds: `.tsv` (BIDS), `.ctab` (FreeSurfer), `.label.txt` (ITK-SNAP)
            and `.ctbl` (3D Slicer).
        by_scan: Record each scan in a file of its own beside its label map, not in a journal: for
            several runs with one folder of results, and for object storage.
        mirror: Of object storage, where scans and results may lie.
        facts: What sidecars tell beside the model, options, hash and timing; None adds nothing.
        form: How label maps are stored.
        posteriors_at_1_mm: Probability maps are at 1 mm even if label maps lie on the scan's grid.
        average_volumes: A scan of up to so many volumes counts as their average; of more, the
            first is segmented.
    """

    options: Options = field(default_factory=Options)
    jobs: int = 2
    requests: int = 1
    journal: Path | None = None
    resume: bool = False
    sidecar: bool = True
    tables: bool = False
    form: LabelFileForm = field(default_factory=LabelFileForm)
    posteriors_at_1_mm: bool = False
    average_volumes: int = 1
    table_endings: tuple[str, ...] = TABLE_ENDINGS
    facts: Facts | None = None
    by_scan: bool = False
    mirror: Mirror = field(default_factory=Mirror)

    def beside(self) -> tuple[str, ...]:
        """Endings of the files to write beside each label map."""
        return (SIDECAR_ENDING,) * self.sidecar + self.table_endings * self.tables

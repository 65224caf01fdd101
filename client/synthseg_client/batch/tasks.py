"""What there is to do: one scan and the files that come of it, and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthseg_common.formats import stem_of

from synthseg_client.dicom.series import DicomSeries
from synthseg_client.results.volume_table import row_name

SIDECAR_ENDING = ".json"
TABLE_ENDINGS = (".tsv", ".ctab", ".label.txt", ".ctbl")
"""Of the label tables of BIDS, FreeSurfer, ITK-SNAP and 3D Slicer."""
SOFTWARE = "synthseg-serving"
"""What a sidecar names as the software that made the labels."""


def beside_image(image: Path, ending: str) -> Path:
    """A file that goes with an image."""
    return image.with_name(stem_of(image) + ending)


@dataclass(frozen=True)
class ScanTask:
    """One scan and the files that are to come of it.

    Attributes:
        scan: The file to read; of DICOM, the folder, zip or file that was given.
        labels: Label map to write.
        posteriors: Probability maps to write, or None.
        resampled: Scan at 1 mm to write, or None.
        table: Volumes table of this scan alone to write, or None.
        quality_table: Table of quality scores of this scan alone to write, or None.
        prefix: What tells it from scans of the same name: goes before the scan's name in a folder
            of results and in the volumes table; empty for a name that no other scan has.
        labels_at_1_mm: Label map at 1 mm to write beside one on the scan's own grid, or None.
        describe_all: Whether each image gets a sidecar, rather than label maps alone.
        series: What to read of it, if it is DICOM.
        dicom_seg: DICOM Segmentation to write, or None.
        dicom_sr: DICOM measurement report to write, or None.
    """

    scan: Path
    labels: Path
    posteriors: Path | None = None
    resampled: Path | None = None
    table: Path | None = None
    quality_table: Path | None = None
    prefix: str = ""
    labels_at_1_mm: Path | None = None
    describe_all: bool = False
    series: DicomSeries | None = None
    dicom_seg: Path | None = None
    dicom_sr: Path | None = None

    @property
    def row(self) -> str:
        """What tables of this scan alone call it."""
        return self.series.name if self.series else row_name(self.scan)

    @property
    def series_name(self) -> str:
        """Which series of a DICOM source it is; empty for other scans."""
        return self.series.name if self.series else ""

    @property
    def title(self) -> str:
        """What messages call the scan."""
        return self.series.title if self.series else str(self.scan)

    def outputs(self) -> list[Path]:
        """All files to write that were asked for by name."""
        images = (self.labels, self.labels_at_1_mm, self.posteriors, self.resampled)
        others = (self.table, self.quality_table, self.dicom_seg, self.dicom_sr)
        return [path for path in (*images, *others) if path is not None]

    def label_maps(self) -> list[Path]:
        """The label maps to write."""
        return [path for path in (self.labels, self.labels_at_1_mm) if path is not None]

    def images(self) -> list[Path]:
        """All images to write."""
        others = (self.posteriors, self.resampled)
        return [*self.label_maps(), *(path for path in others if path is not None)]

    def images_with(self, ending: str) -> list[Path]:
        """The images that a file of this ending goes with."""
        of_all = self.describe_all and ending == SIDECAR_ENDING
        return self.images() if of_all else self.label_maps()

    def files(self, beside: Sequence[str]) -> list[Path]:
        """All files to write, with those of these endings beside the label maps."""
        return [
            *self.outputs(),
            *(
                beside_image(image, ending)
                for ending in beside
                for image in self.images_with(ending)
            ),
        ]


@dataclass(frozen=True)
class Refusal:
    """A scan that is left alone.

    Attributes:
        task: The scan and what would have come of it.
        reason: Why, in one line that begins with the scan's name.
    """

    task: ScanTask
    reason: str


@dataclass(frozen=True)
class BatchPlan:
    """All the work.

    Attributes:
        tasks: One per scan that can be worked on.
        table: Volumes table of all scans together, or None.
        quality_table: Table of quality scores of all scans together, or None.
        single: Whether one scan was named by itself, rather than a folder, a list or several.
        folder: Where what concerns the whole batch is kept.
        is_named: Whether each result was named by the user, rather than after its scan.
        refused: Scans that fail before any work, while the others are done.
    """

    tasks: tuple[ScanTask, ...]
    table: Path | None
    single: bool
    folder: Path
    is_named: bool = False
    quality_table: Path | None = None
    refused: tuple[Refusal, ...] = ()

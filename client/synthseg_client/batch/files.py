"""The files that come of one segmented scan: all of them, or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthseg_common.files import FileGroup, write_text

from synthseg_client import __version__
from synthseg_client.batch.settings import BatchSettings, Facts
from synthseg_client.batch.tasks import (
    SIDECAR_ENDING,
    SOFTWARE,
    TABLE_ENDINGS,
    ScanTask,
    beside_image,
)
from synthseg_client.model import Model
from synthseg_client.results.colour_tables import (
    write_ctab,
    write_ctbl,
    write_dseg_tsv,
    write_itksnap,
)
from synthseg_client.results.image_writing import (
    LabelMapMaking,
    write_image,
    write_labels,
    write_posteriors,
)
from synthseg_client.results.volume_table import as_score, write_single_table
from synthseg_client.segmentation.result import Segmentation

_TABLE_WRITERS = (write_dseg_tsv, write_ctab, write_itksnap, write_ctbl)
"""In the order of their endings."""


@dataclass(frozen=True)
class Finished:
    """A scan that was segmented, and how.

    Attributes:
        task: The scan and its outputs.
        result: What came of it.
        digest: SHA-256 of the scan.
        warnings: What the user should know.
        seconds: Wall time by step.
        version: What object storage calls the scan's content; empty for a file.
    """

    task: ScanTask
    result: Segmentation
    digest: str
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    version: str = ""

    def write(self, settings: BatchSettings) -> None:
        """Writes what was asked for, all of it or nothing; the label map takes its place last.

        Raises:
            OutputError: A file cannot be written.
            ResultError: What was written is not what it should be.
        """
        task, result = self.task, self.result
        with FileGroup() as group:
            self._write_images(group, settings)
            self._write_dicom(group)
            name = task.row
            if task.table is not None:
                write_single_table(task.table, (name, result.volumes), group)
            if task.quality_table is not None:
                write_single_table(task.quality_table, (name, result.quality), group, as_score)
            if settings.tables:
                self._write_label_tables(settings.table_endings, group)
            if settings.sidecar:
                for image in task.images_with(SIDECAR_ENDING):
                    self._write_sidecar(image, settings.facts, group)
            made = LabelMapMaking(result.model.title, result.label_table, settings.form)
            if task.labels_at_1_mm is not None:
                at_1_mm, place = result.labels_at_1_mm(), result.resampled_placement
                write_labels(task.labels_at_1_mm, at_1_mm, place, made, group)
            write_labels(task.labels, result.labels, result.placement, made, group)

    def _write_images(self, group: FileGroup, settings: BatchSettings) -> None:
        task, result = self.task, self.result
        if task.posteriors is not None:
            shown = result
            if settings.posteriors_at_1_mm:
                shown = replace(result, grid=result.grid.at_1_mm())
            write_posteriors(
                task.posteriors, shown.posterior, shown.model.n_labels, shown.placement, group
            )
        if task.resampled is not None and result.was_resampled:
            write_image(task.resampled, result.resampled, result.resampled_placement, group)

    def _write_label_tables(self, endings: Sequence[str], group: FileGroup) -> None:
        for ending, write in zip(TABLE_ENDINGS, _TABLE_WRITERS, strict=True):
            for image in self.task.images_with(ending) if ending in endings else ():
                write(beside_image(image, ending), *self.result.label_table, group)

    def _write_sidecar(self, image: Path, facts: Facts | None, group: FileGroup) -> None:
        if image == self.task.resampled and not self.result.was_resampled:
            return
        told = {} if facts is None else facts(self.task, image, self.result)
        text = json.dumps({**told, **self._sidecar()}, indent=2) + "\n"
        write_text(beside_image(image, SIDECAR_ENDING), text, group)

    def _write_dicom(self, group: FileGroup) -> None:
        task = self.task
        if task.series is not None and task.dicom_seg is not None:
            from synthseg_client.dicom.results import write_dicom

            write_dicom(task.series, self.result, (task.dicom_seg, task.dicom_sr), group)

    def _sidecar(self) -> dict[str, object]:
        """How the labels came about.

        Holds nothing of the scan's header, which may name the patient.
        """
        result = self.result
        return {
            "software": {"name": SOFTWARE, "version": __version__},
            "model": _told(result.model),
            **({"companions": [_told(m) for m in result.companions]} if result.companions else {}),
            "options": result.options.to_json(),
            "scan": {
                "file": self.task.scan.name,
                **({"series": self.task.series.number} if self.task.series else {}),
                "sha256": self.digest,
                "resampled": result.was_resampled,
            },
            "network_passes": result.passes,
            "seconds": rounded(self.seconds),
            "warnings": list(self.warnings),
            **({"quality": result.quality} if result.quality else {}),
            "labels": dict(zip(*result.label_table, strict=True)),
        }


def _told(model: Model) -> dict[str, object]:
    """A model as sidecars name it."""
    return {"served_name": model.name, "served_version": model.version, **dict(model.info)}


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """Times in milliseconds' steps."""
    return {step: round(value, 3) for step, value in seconds.items()}

"""The files that come of one segmented scan: all of them, or none."""

from __future__ import annotations

import json
from dataclasses import dataclass

from synthseg_common.files import FileGroup, write_text

from synthseg_client import __version__
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.tasks import SIDECAR_ENDING, SOFTWARE, TABLE_ENDINGS, ScanTask
from synthseg_client.model import Model
from synthseg_client.results.colour_tables import write_ctab, write_dseg_tsv
from synthseg_client.results.image_writing import (
    LabelMapMaking,
    write_image,
    write_labels,
    write_posteriors,
)
from synthseg_client.results.volume_table import as_score, write_single_table
from synthseg_client.segmentation.result import Segmentation


@dataclass(frozen=True)
class Finished:
    """A scan that was segmented, and how.

    Attributes:
        task: The scan and its outputs.
        result: What came of it.
        digest: SHA-256 of the scan.
        warnings: What the user should know.
        seconds: Wall time by step.
    """

    task: ScanTask
    result: Segmentation
    digest: str
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    def write(self, settings: BatchSettings) -> None:
        """Writes what was asked for, all of it or nothing; the label map takes its place last.

        Raises:
            OutputError: A file cannot be written.
            ResultError: What was written is not what it should be.
        """
        task, result = self.task, self.result
        with FileGroup() as group:
            self._write_images(group)
            self._write_dicom(group)
            name = task.row
            if task.table is not None:
                write_single_table(task.table, (name, result.volumes), group)
            if task.quality_table is not None:
                write_single_table(task.quality_table, (name, result.quality), group, as_score)
            if settings.tables:
                values, names = result.label_table
                for write, ending in zip((write_dseg_tsv, write_ctab), TABLE_ENDINGS, strict=True):
                    write(task.beside(ending), values, names, group)
            if settings.sidecar:
                text = json.dumps(self._sidecar(), indent=2) + "\n"
                write_text(task.beside(SIDECAR_ENDING), text, group)
            made = LabelMapMaking(result.model.title, result.label_table)
            write_labels(task.labels, result.labels, result.placement, made, group)

    def _write_images(self, group: FileGroup) -> None:
        task, result = self.task, self.result
        if task.posteriors is not None:
            write_posteriors(
                task.posteriors, result.posterior, result.model.n_labels, result.placement, group
            )
        if task.resampled is not None and result.was_resampled:
            write_image(task.resampled, result.resampled, result.resampled_placement, group)

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
        }


def _told(model: Model) -> dict[str, object]:
    """A model as sidecars name it."""
    return {"served_name": model.name, "served_version": model.version, **dict(model.info)}


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """Times in milliseconds' steps."""
    return {step: round(value, 3) for step, value in seconds.items()}

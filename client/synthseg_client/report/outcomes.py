"""What a run that has just ended tells of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.tasks import SIDECAR_ENDING, beside_image
from synthseg_client.report.leftovers import read_sidecar
from synthseg_client.report.records import Failure, Run, ScanRecord, name_of, without_folders


def run_of(outcomes: Iterable[Outcome]) -> Run:
    """The run of these outcomes, sorted by name."""
    records, failures = [], []
    for outcome in outcomes:
        task = outcome.task
        name = name_of(task.labels, task.scan, task.prefix)
        if outcome.status == "failed":
            reason = without_folders(outcome.error, task.scan)
            failures.append(Failure(name, reason, left=outcome.left))
            continue
        sidecar = read_sidecar(beside_image(task.labels, SIDECAR_ENDING)) or _told_by(outcome)
        told = sidecar.get("scan")
        records.append(
            ScanRecord(
                name=name,
                labels=task.labels,
                scan=task.scan,
                sha256=str(told.get("sha256", "")) if isinstance(told, dict) else "",
                volumes=outcome.volumes,
                quality=outcome.quality,
                sidecar=sidecar,
            )
        )
    records.sort(key=lambda record: (record.name, str(record.labels)))
    return Run(tuple(records), tuple(sorted(failures, key=lambda failure: failure.name)))


def _told_by(outcome: Outcome) -> Mapping[str, Any]:
    """What a sidecar would say, where none was written."""
    name, _, version = outcome.model.rpartition(":")
    return {
        "model": {"served_name": name, "served_version": version},
        "seconds": outcome.seconds,
        "warnings": list(outcome.warnings),
    }

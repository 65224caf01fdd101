"""Many scans: pipelining, resuming; one failure never stops the rest."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from synthseg_common.files import FileGroup, write_text

from synthseg_client import __version__
from synthseg_client.batch.pipeline import Turn, as_completed
from synthseg_client.batch.plan import SIDECAR_ENDING, SOFTWARE, TABLE_ENDINGS, BatchPlan, ScanTask
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    ModelError,
    OutputError,
    ServerGoneError,
    error_of,
)
from synthseg_client.inputs.places import is_file
from synthseg_client.inputs.scans import read_scan
from synthseg_client.model import Model
from synthseg_client.options import Options
from synthseg_client.results.colour_tables import write_ctab, write_dseg_tsv
from synthseg_client.results.image_writing import write_image, write_labels, write_posteriors
from synthseg_client.results.journal import Entry, Journal, scan_digest, sha256_of
from synthseg_client.results.volume_table import (
    column_names,
    row_name,
    write_single_table,
    write_table,
)
from synthseg_client.segmentation.checks import check_result
from synthseg_client.segmentation.one_scan import Segmentation, segment_scan

_TABLE_EVERY_S = 10.0


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
        tables: Write `.tsv` (BIDS) and `.ctab` (FreeSurfer) label tables beside each label map.
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


@dataclass(frozen=True)
class Outcome:
    """What became of one scan.

    Attributes:
        task: The scan and its outputs.
        status: Whether it was done, had been done before, or failed.
        error: Why it failed.
        left: Whether it failed for want of a server alone: nothing is known against it.
        model: Name and version of the model that answered.
        warnings: What the user should know.
        volumes: mm³ by structure.
        seconds: Wall time by step.
    """

    task: ScanTask
    status: Literal["done", "skipped", "failed"]
    error: str = ""
    left: bool = False
    model: str = ""
    warnings: tuple[str, ...] = ()
    volumes: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """One machine-readable line."""
        record = {
            "scan": str(self.task.scan),
            "status": self.status,
            "labels": str(self.task.labels),
        }
        details = {
            "error": self.error,
            "left": self.left,
            "model": self.model,
            "warnings": self.warnings,
            "volumes_mm3": self.volumes,
            "seconds": self.seconds,
        }
        return json.dumps({**record, **{key: value for key, value in details.items() if value}})


def run_batch(session: Session, plan: BatchPlan, settings: BatchSettings) -> Iterator[Outcome]:
    """Segments scans and writes their results.

    Args:
        session: The server.
        plan: From `plan_batch`.
        settings: How.

    Yields:
        An outcome per scan as it is finished; a scan that fails leaves what was there as it
        was and does not stop the others. When one has waited for the server in vain, the scans
        that are left fail without being tried.

    Raises:
        ServerError: The server does not answer, or has no model of this kind: nothing was started.
        OutputError: The volumes table cannot be written; raised when all scans are through.
    """
    batch = _Batch(session, settings)
    table = _Table(plan, column_names(session.describe()))
    work = as_completed(
        plan.tasks, batch.work, jobs=settings.jobs, requests=settings.requests, abort=session.close
    )
    for task, outcome in work:
        table.add(task, outcome)
        yield outcome
    table.write()


class _Batch:
    """Work on one scan after the other, in any thread."""

    def __init__(self, session: Session, settings: BatchSettings) -> None:
        self._session = session
        self._settings = settings
        self._journal = Journal(settings.journal) if settings.journal else None
        self._known = self._journal.read() if self._journal and settings.resume else {}
        self._first_model = session.describe()

    def work(self, task: ScanTask, turn: Turn) -> Outcome:
        """Segments a scan and writes its results, unless they are there."""
        try:
            return self._finished_before(task) or self._left(task) or self._segment(task, turn)
        except ServerGoneError as error:
            return Outcome(task, "failed", error=str(error), left=True)
        except Exception as error:  # also a defect in one scan's work must not stop the others
            return Outcome(task, "failed", error=str(error_of(task.scan, error)))

    def _finished_before(self, task: ScanTask) -> Outcome | None:
        entry = self._known.get(str(task.labels.absolute()))
        if entry is None or entry.options != self._settings.options.fingerprint():
            return None
        model = self._session.describe()
        if entry.model != model.fingerprint() or not is_file(task.scan):
            return None
        if entry.scan_sha256 != scan_digest(task.scan):
            return None
        if not entry.is_complete(self._outputs(task)):
            return None
        self._refuse_other_labels(task, model)
        return Outcome(task, "skipped", model=model.title, volumes=dict(entry.volumes))

    def _left(self, task: ScanTask) -> Outcome | None:
        """The outcome of a scan for which no server is left."""
        gone = self._session.gone
        return Outcome(task, "failed", error=str(gone), left=True) if gone else None

    def _segment(self, task: ScanTask, turn: Turn) -> Outcome:
        started = time.perf_counter()
        scan = read_scan(task.scan)
        digest = _digest(task.scan)
        read_s = time.perf_counter() - started
        result = segment_scan(
            scan,
            self._session,
            self._settings.options,
            posteriors=task.posteriors is not None,
            turn=turn,
        )
        self._refuse_other_labels(task, result.model)
        warnings = (*result.warnings, *check_result(result))
        seconds = {"read": read_s, **result.seconds}
        started = time.perf_counter()
        self._write(task, result, digest, seconds, warnings)
        seconds["write"] = time.perf_counter() - started
        self._record(task, result, digest)
        return Outcome(
            task,
            "done",
            model=result.model.title,
            warnings=warnings,
            volumes=result.volumes,
            seconds=_rounded(seconds),
        )

    def _refuse_other_labels(self, task: ScanTask, model: Model) -> None:
        """Refuses results of a version that came meanwhile and whose labels mean something else."""
        first = self._first_model
        if first.label_names != model.label_names or not np.array_equal(
            first.label_values, model.label_values
        ):
            raise ModelError(
                f"{task.scan}: the server went from {first.title} to {model.title}, whose label "
                "table is another: run what is missing again."
            )

    def _write(
        self,
        task: ScanTask,
        result: Segmentation,
        digest: str,
        seconds: dict[str, float],
        warnings: tuple[str, ...],
    ) -> None:
        """Writes what was asked for, all of it or nothing; the label map takes its place last."""
        with FileGroup() as group:
            self._write_companions(task, result, group)
            if self._settings.sidecar:
                sidecar = _sidecar(task, result, digest, seconds, warnings)
                text = json.dumps(sidecar, indent=2) + "\n"
                write_text(task.beside(SIDECAR_ENDING), text, group)
            write_labels(task.labels, result.labels, result.placement, result.model, group)

    def _write_companions(self, task: ScanTask, result: Segmentation, group: FileGroup) -> None:
        if task.posteriors is not None:
            write_posteriors(
                task.posteriors, result.posterior, result.model.n_labels, result.placement, group
            )
        if task.resampled is not None and result.was_resampled:
            write_image(task.resampled, result.resampled, result.resampled_placement, group)
        if task.table is not None:
            write_single_table(
                task.table, column_names(result.model), row_name(task.scan), result.volumes, group
            )
        if self._settings.tables:
            values, names = result.model.label_values.tolist(), result.model.label_names
            for write, ending in zip((write_dseg_tsv, write_ctab), TABLE_ENDINGS, strict=True):
                write(task.beside(ending), values, names, group)

    def _record(self, task: ScanTask, result: Segmentation, digest: str) -> None:
        if self._journal is None:
            return
        outputs = {
            str(p.absolute()): sha256_of(p) if p.exists() else "" for p in self._outputs(task)
        }
        if task.resampled is not None and not result.was_resampled:
            outputs[str(task.resampled.absolute())] = ""
        options, model = self._settings.options.fingerprint(), result.model.fingerprint()
        entry = Entry(str(task.scan.absolute()), digest, options, model, outputs, result.volumes)
        self._journal.append(task.labels, entry)

    def _outputs(self, task: ScanTask) -> list[Path]:
        return [*task.outputs(), *map(task.beside, self._settings.beside())]


class _Table:
    """The volumes table of the batch, in the order of the plan, whatever is finished first."""

    def __init__(self, plan: BatchPlan, columns: list[str]) -> None:
        self._plan = plan
        self._columns = columns
        self._volumes: dict[ScanTask, dict[str, float]] = {}
        self._written_at = time.monotonic()

    def add(self, task: ScanTask, outcome: Outcome) -> None:
        """Takes a row, and writes the table if the last time is long ago."""
        if outcome.status != "failed":
            self._volumes[task] = outcome.volumes
        if time.monotonic() - self._written_at > _TABLE_EVERY_S:
            self._written_at = time.monotonic()
            with contextlib.suppress(OutputError):  # told at the end, if it lasts
                self.write()

    def write(self) -> None:
        """Writes all rows there are."""
        if self._plan.table is None:
            return
        rows = [
            (t.prefix + row_name(t.scan), self._volumes[t])
            for t in self._plan.tasks
            if t in self._volumes
        ]
        write_table(self._plan.table, self._columns, rows)


def _digest(path: Path) -> str:
    try:
        return scan_digest(path)
    except OSError as error:
        raise OutputError(f"{path}: went away while it was read: {error.strerror}.") from error


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {step: round(value, 3) for step, value in seconds.items()}


def _sidecar(
    task: ScanTask,
    result: Segmentation,
    digest: str,
    seconds: dict[str, float],
    warnings: tuple[str, ...],
) -> dict[str, object]:
    """How the labels came about. Holds nothing of the scan's header, which may name the patient."""
    return {
        "software": {"name": SOFTWARE, "version": __version__},
        "model": {
            "served_name": result.model.name,
            "served_version": result.model.version,
            **dict(result.model.info),
        },
        "options": result.options.to_json(),
        "scan": {"file": task.scan.name, "sha256": digest, "resampled": result.was_resampled},
        "network_passes": result.passes,
        "seconds": _rounded(seconds),
        "warnings": list(warnings),
    }

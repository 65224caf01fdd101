"""Many scans: pipelining, resuming; one failure never stops the rest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from synthseg_common import contract
from synthseg_common.object_storage import StorageError
from synthseg_common.telemetry.trace import span

from synthseg_client.batch.files import Finished, rounded
from synthseg_client.batch.history import History
from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.pipeline import Turn, as_completed
from synthseg_client.batch.reading import digest_of, read_task
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.table import BatchTable
from synthseg_client.batch.tasks import BatchPlan, ScanTask
from synthseg_client.calls.session import Session
from synthseg_client.errors import ClientError, ModelError, OutputError, ServerGoneError, error_of
from synthseg_client.model import Model, fingerprint_of
from synthseg_client.results.journal import Entry, sha256_of
from synthseg_client.results.volume_table import as_score, as_volume, column_names
from synthseg_client.segmentation.checks import check_result
from synthseg_client.segmentation.companions import Companions
from synthseg_client.segmentation.one_scan import segment_scan


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
    tables = _tables(plan, batch)
    work = as_completed(
        plan.tasks, batch.work, jobs=settings.jobs, requests=settings.requests, abort=session.close
    )
    for task, outcome in work:
        if outcome.status != "failed":
            for table, numbers in zip(tables, (outcome.volumes, outcome.quality), strict=True):
                table.add(task, numbers)
        yield outcome
    for table in tables:
        table.write()
        if table.path is not None:
            settings.mirror.push(table.path)


def _tables(plan: BatchPlan, batch: _Batch) -> tuple[BatchTable, BatchTable]:
    """The tables of volumes and of quality scores."""
    parcels = [n for m in batch.companions_of(contract.PARCELLATOR) for n in m.label_names[1:]]
    groups = [n for m in batch.companions_of(contract.SCORER) for n in m.label_names[1:]]
    return (
        BatchTable(plan.table, plan.tasks, column_names(batch.first_model, parcels), as_volume),
        BatchTable(plan.quality_table, plan.tasks, groups, as_score),
    )


class _Batch:
    """Work on one scan after the other, in any thread."""

    def __init__(self, session: Session, settings: BatchSettings) -> None:
        self._session = session.beside(settings.options.model_name)
        self._settings = settings
        self._companions = Companions.of(self._session, settings.options)
        self._history = History(settings)
        self._mirror = settings.mirror
        self.first_model = self._session.describe()

    def companions_of(self, role: str) -> list[Model]:
        """The other models that are asked, of one role."""
        return [model for model in self._companions.models if model.role == role]

    def work(self, task: ScanTask, turn: Turn) -> Outcome:
        """Segments a scan and writes its results, unless they are there."""
        with span("scan") as told:
            outcome = replace(self._work(task, turn), context=told.context)
            told.error = outcome.error_kind
        return outcome

    def _work(self, task: ScanTask, turn: Turn) -> Outcome:
        try:
            return self._finished_before(task) or self._left(task) or self._segment(task, turn)
        except ServerGoneError as error:
            return _failed(task, error, left=True)
        except Exception as error:  # also a defect in one scan's work must not stop the others
            return self._failed(task, error_of(task.scan, error))

    def _failed(self, task: ScanTask, failure: ClientError) -> Outcome:
        """The outcome of a scan that failed, recorded for reports."""
        # The failure itself is what the user must know.
        with contextlib.suppress(OutputError, StorageError):
            self._history.add_failure(task, str(failure))
        return _failed(task, failure)

    def _finished_before(self, task: ScanTask) -> Outcome | None:
        model = self._session.describe()
        entry = self._history.entry_of(task, fingerprint_of(model, self._companions.models))
        if entry is None:
            return None
        self._refuse_other_labels(task, model)
        return Outcome(
            task,
            "skipped",
            model=model.title,
            volumes=dict(entry.volumes),
            quality=dict(entry.quality),
        )

    def _left(self, task: ScanTask) -> Outcome | None:
        """The outcome of a scan for which no server is left."""
        gone = self._session.gone
        return _failed(task, gone, left=True) if gone else None

    def _segment(self, task: ScanTask, turn: Turn) -> Outcome:
        try:
            self._history.refuse_other_scan(task)
            finished = self._finished(task, turn)
            # Another run may have had this scan, too, whose results then stay.
            return self._finished_meanwhile(task) or self._kept(finished)
        finally:
            self._mirror.drop(task.scan)
            for path in self._outputs(task):
                self._mirror.remove(path)

    def _finished_meanwhile(self, task: ScanTask) -> Outcome | None:
        return self._finished_before(task) if self._settings.by_scan else None

    def _kept(self, finished: Finished) -> Outcome:
        """Writes and records the results of a scan."""
        task, started = finished.task, time.perf_counter()
        finished.write(self._settings)
        self._record(finished)
        seconds = {**finished.seconds, "write": time.perf_counter() - started}
        return Outcome(
            task,
            "done",
            model=finished.result.model.title,
            warnings=finished.warnings,
            volumes=finished.result.volumes,
            quality=finished.result.quality,
            seconds=rounded(seconds),
        )

    def _finished(self, task: ScanTask, turn: Turn) -> Finished:
        """Segments a scan; nothing is written yet."""
        started = time.perf_counter()
        version = self._mirror.fetch(task.scan)
        scan = read_task(task, self._settings)
        digest = digest_of(task)
        read_s = time.perf_counter() - started
        result = segment_scan(
            scan,
            self._session,
            self._settings.options,
            posteriors=task.posteriors is not None,
            companions=self._companions,
            turn=turn,
        )
        self._refuse_other_labels(task, result.model)
        warnings = (*result.warnings, *check_result(result))
        seconds = {"read": read_s, **result.seconds}
        return Finished(task, result, digest, warnings, seconds, version)

    def _refuse_other_labels(self, task: ScanTask, model: Model) -> None:
        """Refuses results of a version that came meanwhile and whose labels mean something else."""
        first = self.first_model
        if first.label_names != model.label_names or not np.array_equal(
            first.label_values, model.label_values
        ):
            raise ModelError(
                f"{task.scan}: the server changed from {first.title} to {model.title}, which "
                "has another label table: run the missing scans again."
            )

    def _record(self, finished: Finished) -> None:
        """Brings results to object storage, if they belong there, and then makes them count."""
        task, result = finished.task, finished.result
        wanted = self._outputs(task)
        there = [p for p in wanted if p.exists()]
        if task.resampled is not None and not result.was_resampled:
            there = [p for p in there if p != task.resampled]
        # As here, the label map comes last.
        ordered = sorted(there, key=lambda p: p == task.labels)
        versions = {str(p.absolute()): v for p in ordered if (v := self._mirror.push(p))}
        entry = Entry(
            scan=str(task.scan.absolute()),
            scan_sha256=finished.digest,
            options=self._settings.options.fingerprint(),
            model=fingerprint_of(result.model, result.companions),
            outputs={str(p.absolute()): sha256_of(p) if p in there else "" for p in wanted},
            volumes=result.volumes,
            quality=result.quality,
            served=result.model.title,
            row=task.prefix + task.row,
            series=task.series_name,
            scan_version=finished.version,
            versions=versions,
        )
        self._history.add(task, entry)

    def _outputs(self, task: ScanTask) -> list[Path]:
        return task.files(self._settings.beside())


def _failed(task: ScanTask, error: ClientError, *, left: bool = False) -> Outcome:
    kind = type(error).__name__
    safe = error.names_no_scan
    return Outcome(task, "failed", str(error), left=left, error_kind=kind, names_no_scan=safe)

"""Many scans: pipelining, resuming; one failure never stops the rest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from synthseg_common import contract
from synthseg_common.telemetry.trace import span

from synthseg_client.batch.files import Finished, rounded
from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.pipeline import Turn, as_completed
from synthseg_client.batch.reading import digest_of, read_task
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.table import BatchTable
from synthseg_client.batch.tasks import BatchPlan, ScanTask
from synthseg_client.calls.session import Session
from synthseg_client.errors import ClientError, ModelError, OutputError, ServerGoneError, error_of
from synthseg_client.inputs.places import is_there
from synthseg_client.model import Model, fingerprint_of
from synthseg_client.results.journal import Entry, FailedEntry, Journal, sha256_of
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
        self._journal = Journal(settings.journal) if settings.journal else None
        self._known = self._journal.read() if self._journal and settings.resume else {}
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
        if self._journal is not None:
            with contextlib.suppress(OutputError):  # the failure itself is what the user must know
                told = FailedEntry(str(task.scan.absolute()), str(failure))
                self._journal.append_failure(task.labels, told)
        return _failed(task, failure)

    def _finished_before(self, task: ScanTask) -> Outcome | None:
        entry = self._known.get(str(task.labels.absolute()))
        if entry is None or entry.options != self._settings.options.fingerprint():
            return None
        model = self._session.describe()
        if entry.model != fingerprint_of(model, self._companions.models) or not is_there(task.scan):
            return None
        if entry.scan_sha256 != digest_of(task):
            return None
        if not entry.is_complete(self._outputs(task)):
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
        finished = self._finished(task, turn)
        started = time.perf_counter()
        finished.write(self._settings)
        seconds = {**finished.seconds, "write": time.perf_counter() - started}
        self._record(finished)
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
        return Finished(task, result, digest, warnings, {"read": read_s, **result.seconds})

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
        if self._journal is None:
            return
        task, result = finished.task, finished.result
        outputs = {
            str(p.absolute()): sha256_of(p) if p.exists() else "" for p in self._outputs(task)
        }
        if task.resampled is not None and not result.was_resampled:
            outputs[str(task.resampled.absolute())] = ""
        entry = Entry(
            scan=str(task.scan.absolute()),
            scan_sha256=finished.digest,
            options=self._settings.options.fingerprint(),
            model=fingerprint_of(result.model, result.companions),
            outputs=outputs,
            volumes=result.volumes,
            quality=result.quality,
        )
        self._journal.append(task.labels, entry)

    def _outputs(self, task: ScanTask) -> list[Path]:
        return task.files(self._settings.beside())


def _failed(task: ScanTask, error: ClientError, *, left: bool = False) -> Outcome:
    kind = type(error).__name__
    safe = error.names_no_scan
    return Outcome(task, "failed", str(error), left=left, error_kind=kind, names_no_scan=safe)

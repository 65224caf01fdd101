"""What a JSON log says of a batch: an event for each scan, by number and id."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from synthseg_common.telemetry.log import active, emit

from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.tasks import ScanTask


class ScanEvents:
    """Tells the log of scans; of no use where it is text.

    Args:
        tasks: All scans, in the order of their numbers.
    """

    def __init__(self, tasks: Sequence[ScanTask]) -> None:
        self._numbers = {task.labels: number for number, task in enumerate(tasks, 1)}
        self._counts: Counter[str] = Counter()
        self._begun_s = time.monotonic()

    def began(self) -> None:
        """The batch begins."""
        emit("batch.started", scans=len(self._numbers))

    def add(self, outcome: Outcome) -> None:
        """One scan is through."""
        status, log = outcome.status, active()
        self._counts["left" if outcome.left else status] += 1
        if log is None:
            return
        told: dict[str, Any] = self._named(outcome.task)
        if status == "failed":
            told |= {"error_kind": outcome.error_kind, "left": int(outcome.left)}
            told |= log.text(outcome.error, safe=outcome.names_no_scan)
        else:
            told |= {"model": outcome.model, "labels": str(outcome.task.labels)}
        if status == "done":
            told |= {"seconds": round(sum(outcome.seconds.values()), 3), "stages": outcome.seconds}
            told |= {"warnings": len(outcome.warnings)}
            if outcome.warnings and log.names:
                told["message"] = " ".join(outcome.warnings)
        level = "error" if status == "failed" else "info"
        log.write(f"scan.{status}", level, told, outcome.context)

    def ended(self) -> None:
        """The batch is through."""
        counts = {name: self._counts[name] for name in ("done", "skipped", "failed", "left")}
        seconds = round(time.monotonic() - self._begun_s, 3)
        level = "warning" if counts["failed"] or counts["left"] else "info"
        emit("batch.finished", level, scans=len(self._numbers), seconds=seconds, **counts)

    def id_of(self, task: ScanTask) -> str:
        """The id of a scan in this log; empty where it is text."""
        log = active()
        return log.ids.of(_place(task)) if log is not None else ""

    def _named(self, task: ScanTask) -> dict[str, Any]:
        number = self._numbers[task.labels]
        return {
            "scan": number,
            "scans": len(self._numbers),
            "scan_id": self.id_of(task),
            "name": _place(task),
        }


def _place(task: ScanTask) -> str:
    """Where a scan is, with its series where one place holds several."""
    return str(task.scan) if task.series is None else f"{task.scan}#{task.title}"

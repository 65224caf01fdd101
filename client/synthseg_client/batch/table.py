"""The volumes table of a batch, written again and again while it grows."""

from __future__ import annotations

import contextlib
import time

from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.tasks import BatchPlan, ScanTask
from synthseg_client.errors import OutputError
from synthseg_client.results.volume_table import row_name, write_table

_TABLE_EVERY_S = 10.0


class BatchTable:
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

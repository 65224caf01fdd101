"""A table of a batch, written again and again while it grows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from synthseg_common.errors import OutputError

from synthseg_client.batch.tasks import ScanTask
from synthseg_client.results.volume_table import write_table

_TABLE_EVERY_S = 10.0


class BatchTable:
    """A table of the batch, in the order of the plan, whatever is finished first.

    Args:
        path: CSV file; None writes none.
        tasks: All scans, in order.
        columns: Names of the columns.
        written: How a number is written.

    Attributes:
        path: The same.
    """

    def __init__(
        self,
        path: Path | None,
        tasks: Sequence[ScanTask],
        columns: Sequence[str],
        written: Callable[[float], str],
    ) -> None:
        self.path = path
        self._tasks = tasks
        self._columns = columns
        self._written = written
        self._rows: dict[ScanTask, Mapping[str, float]] = {}
        self._written_at = time.monotonic()

    def add(self, task: ScanTask, values: Mapping[str, float]) -> None:
        """Takes a row, and writes the table if the last time is long ago."""
        self._rows[task] = values
        if time.monotonic() - self._written_at > _TABLE_EVERY_S:
            self._written_at = time.monotonic()
            with contextlib.suppress(OutputError):  # told at the end, if it lasts
                self.write()

    def write(self) -> None:
        """Writes all rows there are.

        Raises:
            OutputError: The file cannot be written.
        """
        if self.path is None:
            return
        rows = [(t.prefix + t.row, self._rows[t]) for t in self._tasks if t in self._rows]
        write_table(self.path, self._columns, rows, self._written)

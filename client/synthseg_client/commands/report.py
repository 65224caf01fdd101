"""Progress and results: a bar where somebody watches, lines in a log, JSON for programs."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click
from synthseg_common.telemetry.log import active, emit

from synthseg_client.batch.outcome import Outcome
from synthseg_client.commands.scan_events import ScanEvents
from synthseg_client.commands.segment_options import Telling
from synthseg_client.errors import OutputError

if TYPE_CHECKING:
    from tqdm import tqdm

    from synthseg_client.telemetry.metrics import ClientMetrics


class Reporter:
    """Tells about outcomes as they come.

    Args:
        total: Number of scans.
        telling: What to tell.
        told: Puts names that the user knows into a line.
        events: Takes outcomes in the place of lines where the log is JSON.
        metrics: Counts them.

    Attributes:
        exit_code: 0 if no scan failed so far, else 1.
    """

    def __init__(
        self,
        total: int,
        telling: Telling,
        told: Callable[[str], str] = lambda line: line,
        events: ScanEvents | None = None,
        metrics: ClientMetrics | None = None,
    ) -> None:
        self._told = told
        self.exit_code = 0
        self._total = total
        self._seen = 0
        self._failed: list[Outcome] = []
        self._left: list[Outcome] = []
        self._models: Counter[str] = Counter()
        self._saying = threading.Lock()
        self._telling = telling
        self._metrics = metrics
        self._events = events if events is not None and active() is not None else None
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Reporter:
        if self._events is not None:
            self._events.began()
        if sys.stderr.isatty() and not self._telling.quiet and self._total > 1:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit="scan", file=sys.stderr)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._events is not None:
            self._events.ended()
            return
        if self._failed and self._total > 1:
            self.note(f"{len(self._failed)} of {self._total} scans failed:")
            for outcome in self._failed:
                self.note(f"  {_named(outcome)}")
        if self._left and self._total > 1:
            self.note(
                f"{len(self._left)} of {self._total} scans are left: {self._left[0].error} "
                "--resume goes on with them when the server is there."
            )
        if len(self._models) > 1:
            counts = ", ".join(f"{name} {n} times" for name, n in sorted(self._models.items()))
            self.note(
                f"WARNING: not all results are of one model version: {counts}; the sidecars and "
                "--json say which is of which."
            )

    def note(self, line: str) -> None:
        """Tells something that is about no scan; may be called from any thread."""
        if not emit("note", message=line):
            self._say(line, err=True)

    def add(self, outcome: Outcome) -> None:
        """Tells about one scan."""
        self._seen += 1
        if outcome.status == "failed":
            self.exit_code = 1
            (self._left if outcome.left else self._failed).append(outcome)
        elif outcome.model:
            self._models[outcome.model] += 1
        if self._bar is not None:
            self._bar.update()
        if self._metrics is not None:
            self._metrics.scan_ended(outcome)
        if self._telling.as_json:
            self._say(outcome.to_json(self._told))
        if self._events is not None:
            self._events.add(outcome)
        else:
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        place = f"[{self._seen}/{self._total}] " if self._total > 1 else ""
        if outcome.left and self._total > 1:
            return  # one line tells of all of them
        if outcome.status == "failed":
            self._say(f"{place}FAILED {_named(outcome)}", err=True)
            return
        if self._telling.quiet:
            return
        for warning in outcome.warnings:
            self._say(f"{place}WARNING {outcome.task.title}: {warning}", err=True)
        verb = (
            "already done"
            if outcome.status == "skipped"
            else f"done in {sum(outcome.seconds.values()):.1f} s"
        )
        self._say(f"{place}{outcome.task.title} -> {outcome.task.labels}, {verb}", err=True)
        if self._telling.verbose and outcome.seconds:
            self._say(
                "    " + ", ".join(f"{step} {s:.2f} s" for step, s in outcome.seconds.items()),
                err=True,
            )

    def _say(self, line: str, *, err: bool = False) -> None:
        with self._saying:
            if self._bar is not None:
                self._bar.clear()
            say(self._told(line), err=err)
            if self._bar is not None:
                self._bar.refresh()


def say(line: str, *, err: bool = False) -> None:
    """Prints a line.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        click.echo(line, err=err)
    except BrokenPipeError:
        raise  # click ends the program in silence
    except OSError as error:
        name, stream = ("error", sys.stderr) if err else ("output", sys.stdout)
        # Python tries once more on its way out, and would end with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise OutputError(f"standard {name}: cannot be written: {error.strerror}.") from error


def _named(outcome: Outcome) -> str:
    """The error, which names the scan unless it is about the server."""
    task = outcome.task
    named = outcome.error.startswith(str(task.scan))
    return outcome.error if named else f"{task.title}: {outcome.error}"

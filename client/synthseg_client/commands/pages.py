"""Reports: the command `report`, and what `segment --report` does."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.commands.report import say
from synthseg_client.commands.report_options import Pages
from synthseg_client.errors import UsageError
from synthseg_client.report.folder import refuse_other_folder

_NEEDED = {"jinja2": "jinja2", "PIL": "Pillow"}
_DEFAULT_NAME = "report"
_MOST_JOBS = 4
_MANY = 20


def run_report(folder: Path, pages: Pages) -> int:
    """Makes the report of a run that has ended; returns the exit code.

    Raises:
        ClientError: It cannot be made.
    """
    expect_extra("report")
    from synthseg_client.report.leftovers import find_run
    from synthseg_client.report.making import make_report

    output = pages.output or folder / _DEFAULT_NAME
    refuse_other_folder(output)
    run = find_run(folder, pages.scans)
    with _progress(len(run.records), quiet=pages.quiet) as tell:
        first = make_report(run, output, jobs=pages.jobs or usual_jobs(), tell=tell)
    if not pages.quiet:
        failed = f", {len(run.failures)} failed" if run.failures else ""
        say(f"Report of {len(run.records)} scans{failed}: {first}")
    return 0


def expect_place(folder: Path, plan: BatchPlan) -> None:
    """Sees before any work that a report can be made after it.

    Raises:
        UsageError: A library is missing, or the folder is another's.
    """
    expect_extra("--report")
    refuse_other_folder(folder)
    for task in plan.tasks:
        if task.labels.absolute().is_relative_to(folder.absolute()):
            raise UsageError(
                f"--report {folder}: {task.labels} would lie in it: name a folder of its own."
            )


def report_outcomes(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Makes the report of a run that ends now; returns the page to open first.

    Raises:
        ClientError: It cannot be made.
    """
    from synthseg_client.report.making import make_report
    from synthseg_client.report.outcomes import run_of

    return make_report(run_of(outcomes), folder, jobs=usual_jobs())


def expect_extra(wanted_by: str) -> None:
    """Refuses to begin without the libraries of the extra.

    Raises:
        UsageError: One of them is missing.
    """
    missing = [name for module, name in _NEEDED.items() if not importlib.util.find_spec(module)]
    if missing:
        raise UsageError(
            f"{wanted_by} needs {' and '.join(missing)}, not installed here: "
            "pip install 'synthseg-serving[report]'."
        )


def usual_jobs() -> int:
    """Processes that draw at once, unless somebody says otherwise."""
    return min(os.cpu_count() or 1, _MOST_JOBS)


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    if quiet or total < _MANY or not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="page", file=sys.stderr) as bar:

        def tell(done: int) -> None:
            bar.update(done - bar.n)

        yield tell

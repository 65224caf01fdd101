"""The folders that results go to, made before a server is bothered."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

from synthseg_common.errors import reason_of

from synthseg_client.batch.tasks import BatchPlan, Refusal
from synthseg_client.errors import OutputError, ScanError
from synthseg_client.inputs.places import is_there


def with_folders(plan: BatchPlan) -> tuple[BatchPlan, list[Path]]:
    """Makes the folders for the results of the scans that are there.

    Returns:
        The work, in which scans whose results have no place to go are refused; and the folders that
        were made, the innermost first.

    Raises:
        ScanError: No scan exists.
        OutputError: No folder for results can be made or written, or not that of the table.
    """
    if plan.tasks and not any(is_there(task.scan) for task in plan.tasks):
        raise ScanError(
            f"{plan.tasks[0].scan}: no such file, or none that may be seen: check the name, its "
            "ending and the permissions."
        )
    maker = _Maker()
    tasks, refused = [], list(plan.refused)
    for task in plan.tasks:
        folders = sorted({path.absolute().parent for path in task.outputs()})
        # A scan that is not there is told of when it is read; it needs no folder.
        made = map(maker.problem_of, folders) if is_there(task.scan) else iter(())
        if problem := next(filter(None, made), None):
            refused.append(Refusal(task, f"{task.scan}: {problem}"))
        else:
            tasks.append(task)
    if plan.tasks and not tasks and maker.problem:
        raise maker.problem
    if tasks and plan.table is not None:
        lost = maker.problem_of(plan.table.absolute().parent)
        if lost:
            raise lost
    return replace(plan, tasks=tuple(tasks), refused=tuple(refused)), maker.made


class _Maker:
    """Makes each folder once."""

    def __init__(self) -> None:
        self.made: list[Path] = []
        self._problems: dict[Path, OutputError | None] = {}

    @property
    def problem(self) -> OutputError | None:
        """The first of them."""
        return next(filter(None, self._problems.values()), None)

    def problem_of(self, folder: Path) -> OutputError | None:
        """Makes a folder; why nothing can be written there, with its cause, or nothing."""
        if folder not in self._problems:
            self._problems[folder] = self._make(folder)
        return self._problems[folder]

    def _make(self, folder: Path) -> OutputError | None:
        missing = [path for path in (folder, *folder.parents) if not is_there(path)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"{folder}: cannot be made for the results: {reason_of(error)}."
            return _because(error, said)
        self.made[:0] = missing
        effective = os.access in os.supports_effective_ids
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
            refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return _because(refused, f"{folder}: no permission to write results there.")
        return None


def _because(cause: OSError, said: str) -> OutputError:
    """An error that tells by its cause whether another try may do."""
    problem = OutputError(said)
    problem.__cause__ = cause
    return problem

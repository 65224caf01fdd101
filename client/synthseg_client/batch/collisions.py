"""Which scans of a batch are left alone, since their results would replace what must stay."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synthseg_common.formats import format_of, stem_of

from synthseg_client.batch.tasks import SIDECAR_ENDING, SOFTWARE, BatchPlan, Refusal, ScanTask
from synthseg_client.errors import OutputError, UsageError
from synthseg_client.inputs.places import is_folder, is_there, real
from synthseg_client.results.journal import JOURNAL_NAME, Journal


def settle(plan: BatchPlan, beside: Sequence[str]) -> BatchPlan:
    """Moves scans whose results would replace scans, other results or what is not ours to refused.

    Args:
        plan: With all scans as tasks.
        beside: Endings of the files that will be written beside each label map.

    Raises:
        UsageError: There is only one scan, or the volumes table is the name of another file.
    """
    judge = _Judge(plan, beside)
    reasons = {task: judge.reason_against(task) for task in plan.tasks}
    refused = tuple(Refusal(task, f"{task.scan}: {why}") for task, why in reasons.items() if why)
    if refused and plan.single:
        raise UsageError(refused[0].reason)
    judge.refuse_table("--vol", plan.table)
    judge.refuse_table("--qc", plan.quality_table)
    if plan.table and plan.quality_table and real(plan.table) == real(plan.quality_table):
        raise UsageError(f"--qc {plan.quality_table}: is the name of another file of this run.")
    return replace(
        plan,
        tasks=tuple(task for task in plan.tasks if not reasons[task]),
        refused=(*plan.refused, *refused),
    )


class _Judge:
    """What there is before the batch, and what would come of it."""

    def __init__(self, plan: BatchPlan, beside: Sequence[str]) -> None:
        self._beside = beside
        self._real = _Places()
        self._scans = {self._real(task.scan): task.scan for task in plan.tasks}
        self._folders = {self._real.of_folder(task.scan.parent) for task in plan.tasks}
        self._owners: dict[Path, list[ScanTask]] = defaultdict(list)
        for task in plan.tasks:
            for output in task.files(beside):
                self._owners[self._real(output)].append(task)
        self._made = {} if plan.is_named else _made_before(plan.folder)

    def reason_against(self, task: ScanTask) -> str:
        """Why a scan cannot be worked on, or nothing."""
        return next(filter(None, (self._problem(task, f) for f in task.files(self._beside))), "")

    def _problem(self, task: ScanTask, output: Path) -> str:
        place = self._real(output)
        if place in self._scans:
            return f"{output} would replace the scan {self._scans[place]}: choose another name."
        if len(self._owners[place]) > 1:
            others = [other.scan for other in self._owners[place] if other is not task]
            if not others:
                return f"{output} would hold two of its results: choose another name."
            return (
                f"{output} would hold the results of both it and {others[0]}: rename one of them, "
                "or name the results in .txt lists."
            )
        if is_folder(output):
            return f"{output} is a folder, expected the name of a file to write."
        maker = self._made.get(str(output.absolute()))
        if maker is not None and not _is_same_scan(maker, task.scan) and is_there(maker):
            return (
                f"{output} was made of another scan, {maker}: choose another folder, or give both "
                "scans at once."
            )
        if SIDECAR_ENDING in self._beside and output.suffix == SIDECAR_ENDING:
            return self._problem_of_sidecar(output)
        return ""

    def _problem_of_sidecar(self, sidecar: Path) -> str:
        """JSON files among the scans, as BIDS has them, are not replaced unless they are ours."""
        if (
            self._real.of_folder(sidecar.parent) not in self._folders
            or not is_there(sidecar)
            or _is_ours(sidecar)
        ):
            return ""
        return (
            f"{sidecar} is there already and was not made by this tool: choose another name for "
            "the labels, or --no-sidecar."
        )

    def refuse_table(self, flag: str, table: Path | None) -> None:
        """Refuses a table under the name of a scan or of another result."""
        if table is not None and real(table) in {*self._scans, *self._owners}:
            raise UsageError(f"{flag} {table}: is the name of another file of this run.")


class _Places:
    """Where files lie without links, asked of each folder once: a batch has many in few folders."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}

    def __call__(self, path: Path) -> Path:
        place = self.of_folder(path.parent) / path.name
        return real(path) if os.path.islink(place) else place  # noqa: PTH114 - as pathlib may raise

    def of_folder(self, folder: Path) -> Path:
        if folder not in self._folders:
            self._folders[folder] = real(folder)
        return self._folders[folder]


def _made_before(folder: Path) -> dict[str, Path]:
    """Of which scan each file came that an earlier run recorded and that is still there."""
    made: dict[str, Path] = {}
    with contextlib.suppress(OutputError):  # told when the journal is written
        for entry in Journal(folder / JOURNAL_NAME).read().values():
            made |= dict.fromkeys(entry.outputs, Path(entry.scan))
    return {output: scan for output, scan in made.items() if is_there(Path(output))}


def _is_same_scan(one: Path, other: Path) -> bool:
    """Whether two names are of one scan; a pair of files is one."""
    return _identity(one) == _identity(other)


def _identity(scan: Path) -> Path:
    kind = format_of(scan)
    name = stem_of(scan) if kind is not None and kind.name == "analyze" else scan.name
    return real(scan.parent) / name


def _is_ours(sidecar: Path) -> bool:
    try:
        return bool(json.loads(sidecar.read_bytes())["software"]["name"] == SOFTWARE)
    except (OSError, ValueError, LookupError, TypeError):
        return False

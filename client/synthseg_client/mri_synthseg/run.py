"""What `mri_synthseg` does once its flags are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from synthseg_common.errors import reason_of
from synthseg_common.official_weights import FREESURFER_VARIABLE

from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.tasks import ScanTask
from synthseg_client.calls.session import Session
from synthseg_client.errors import OutputError
from synthseg_client.mri_synthseg import messages
from synthseg_client.mri_synthseg.arguments import Arguments
from synthseg_client.mri_synthseg.files import Files, plan_files
from synthseg_client.mri_synthseg.memory import peak_kb
from synthseg_client.mri_synthseg.messages import say
from synthseg_client.mri_synthseg.server import connect, refuse_missing_weights
from synthseg_client.options import Options
from synthseg_client.results.embedded_colours import Embedded, LabelFileForm
from synthseg_client.results.freesurfer_lut import LUT_NAME, read_lut

_LABEL_TYPE = np.dtype(np.int32)
# A scan of more volumes is a series, whose first the original means to take.
_AVERAGED_VOLUMES = 10


def run(arguments: Arguments) -> int:
    """Segments; returns the exit code.

    Raises:
        SynthSegError: Nothing was started, or a table cannot be written.
    """
    options = arguments.options()
    arguments.refuse_contradictions()
    say(*messages.opening(arguments))
    settings = BatchSettings(
        options=options,
        sidecar=False,
        form=label_file_form(arguments),
        posteriors_at_1_mm=True,
        average_volumes=_AVERAGED_VOLUMES,
    )
    files = plan_files(arguments)
    say(*files.notes)
    refuse_missing_weights(arguments, options)
    _make_folders(files.folders)
    for scan in files.left_out:
        _warn(f"{scan} is left out: it is a result of another scan of its folder.")
    return _segment(arguments, options, files, settings)


def label_file_form(arguments: Arguments) -> LabelFileForm:
    """How label maps are stored: as there, int32, with FreeSurfer's whole list where there is one.

    Raises:
        UsageError: FreeSurfer's list is malformed.
    """
    if arguments.noaddctab:
        return LabelFileForm(dtype=_LABEL_TYPE, embedded=Embedded.NONE)
    home = os.environ.get(FREESURFER_VARIABLE)
    lut = Path(home) / LUT_NAME if home else None
    colours = read_lut(lut) if lut is not None and lut.is_file() else None
    return LabelFileForm(dtype=_LABEL_TYPE, embedded=Embedded.ALL, colours=colours)


@dataclass
class _Course:
    """What has become of the scans so far."""

    done: list[ScanTask] = field(default_factory=list)
    failed: list[Path] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Takes an outcome and tells of it."""
        for warning in outcome.warnings:
            _warn(f"{outcome.task.scan}: {warning}.")
        if outcome.status == "failed":
            self.failed.append(outcome.task.scan)
            say(*messages.problem(outcome.task.scan, outcome.error))
        else:
            self.done.append(outcome.task)


def _segment(arguments: Arguments, options: Options, files: Files, settings: BatchSettings) -> int:
    plan, course = files.plan, _Course()
    before = _states(task.resampled for task in plan.tasks)
    with connect(arguments, options) as connected:
        _warn_of_another_network(arguments, options, connected.session)
        progress = messages.Progress(len(plan.tasks))
        say(*progress.before(0))
        in_turn = files.in_turn or arguments.cores == 1
        for index, outcome in enumerate(
            run_batch(connected.session, plan, _jobs(settings, in_turn=in_turn)), 1
        ):
            course.add(outcome)
            say(*progress.before(index))
        peak = peak_kb([os.getpid(), connected.pid()])
    after = _states(task.resampled for task in course.done)
    resampled = [path for path, state in after.items() if before.get(path) != state]
    say(*messages.saved(plan, course.done, resampled))
    if course.failed:
        in_order = [task.scan for task in plan.tasks if task.scan in course.failed]
        say(*messages.problems(in_order))
        return 1
    say(*messages.closing(arguments, peak))
    return 0


def _warn_of_another_network(arguments: Arguments, options: Options, session: Session) -> None:
    """What a server has under the plain network's name need not be the original's."""
    if not arguments.server or options.network != "chosen":
        return
    model = session.describe()
    if "released" not in model.info.get("training", {}):
        _warn(
            f"{arguments.server} segments with {model.title}, which was not imported from the "
            f"original's weights: its numbers are not those of {arguments.version}."
        )


def _jobs(settings: BatchSettings, *, in_turn: bool) -> BatchSettings:
    """With scans one after the other where they have to be."""
    return replace(settings, jobs=1) if in_turn else settings


def _states(paths: Iterable[Path | None]) -> dict[Path, tuple[int, int]]:
    """What changes when a file is written, for those that are there."""
    found = {}
    for path in paths:
        if path is not None and path.exists():
            state = path.stat()
            found[path] = (state.st_ino, state.st_mtime_ns)
    return found


def _make_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made: {reason_of(error)}.") from error


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)

"""What `bids` does once its options are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.tasks import TABLE_ENDINGS
from synthseg_client.bids.dataset import (
    drop_empty_folders,
    read_description,
    refuse_other_folder,
    write_dataset,
)
from synthseg_client.bids.facts import BidsFacts
from synthseg_client.bids.group import gather
from synthseg_client.bids.layout import Derivatives, plan_dataset
from synthseg_client.bids.selection import Selection, select
from synthseg_client.bids.validation import validate
from synthseg_client.bids.walk import walk_dataset
from synthseg_client.commands.bids_options import Dataset
from synthseg_client.commands.report import say
from synthseg_client.commands.segment import carry_out, chosen_options
from synthseg_client.commands.segment_options import Course, Modes, Telling
from synthseg_client.commands.server_options import ServerOptions
from synthseg_client.errors import UsageError
from synthseg_client.inputs.places import is_folder
from synthseg_client.results.journal import JOURNAL_NAME

_BIDS_TABLE = TABLE_ENDINGS[:1]


def run_participant(
    places: tuple[Path, Path],
    dataset: Dataset,
    modes: Modes,
    course: Course,
    telling: Telling,
    server: ServerOptions,
) -> int:
    """Segments the scans of a dataset; returns the exit code.

    Args:
        places: Folders of the dataset and of the derivatives.
        dataset: Which scans, and what is made of them.
        modes: How to segment.
        course: How to go through them.
        telling: What to tell.
        server: Which server.

    Raises:
        ClientError: Nothing could be started.
    """
    root, out = places
    if not course.sidecar:
        raise UsageError("--no-sidecar: BIDS asks for a sidecar beside each derivative.")
    server.refuse_contradictions()
    selection = _selection(dataset)
    told = _met(root, dataset, selection, telling)
    refuse_other_folder(root, out)
    walked = walk_dataset(root, selection)
    for note in walked.notes:
        _note(f"WARNING {note}", telling)
    settings = _settings(root, out, dataset, modes, course)
    made = Derivatives(
        probabilities=dataset.probabilities,
        resampled=dataset.resampled,
        quality=dataset.quality,
    )
    plan = plan_dataset(root, out, walked, made, settings.beside())
    try:
        return carry_out(plan, settings, telling, server, official=modes.official)
    finally:  # also of a run that was interrupted: what it finished is a dataset
        drop_empty_folders(out)
        if any(out.glob("sub-*")):
            write_dataset(root, out, told)


def run_group(root: Path, out: Path, dataset: Dataset, telling: Telling) -> int:
    """Writes the tables of the group; returns the exit code.

    Raises:
        UsageError: There are no results of scans.
        OutputError: A table cannot be written.
    """
    selection = _selection(dataset)
    told = _description(root, dataset)
    refuse_other_folder(root, out)
    if not is_folder(out):
        raise UsageError(f"{out}: no such folder: run level participant first.")
    found = gather(
        root, out, lambda name: selection.wants_of(name.value("sub")) and selection.wants(name)
    )
    for problem in found.problems:
        say(f"FAILED {problem}", err=True)
    if not found.rows and not found.problems:
        raise UsageError(f"{out}: holds no volumes of these scans: run level participant first.")
    write_dataset(root, out, told)
    for table, rows in found.rows.items():
        if telling.as_json:
            say(json.dumps({"table": str(table), "scans": rows}))
        _note(f"{table}, {rows} scans", telling)
    return 1 if found.problems else 0


def _selection(dataset: Dataset) -> Selection:
    return select(dataset.participants, dataset.sessions, dataset.suffixes, dataset.filter_file)


def _settings(
    root: Path, out: Path, dataset: Dataset, modes: Modes, course: Course
) -> BatchSettings:
    options = chosen_options(modes, quality=dataset.quality)
    return BatchSettings(
        # The label map at 1 mm comes of the same answer.
        options=replace(options, keep_geometry=True),
        jobs=course.jobs,
        requests=course.requests,
        journal=out / JOURNAL_NAME,
        resume=course.resume,
        tables=True,
        table_endings=TABLE_ENDINGS if course.tables else _BIDS_TABLE,
        facts=BidsFacts(root),
    )


def _met(root: Path, dataset: Dataset, selection: Selection, telling: Telling) -> Mapping[str, Any]:
    """What the dataset says of itself; the validator's word on it is told, and stops nothing.

    Jobs for some participants each do without it, since it reads all of the dataset.
    """
    told = _description(root, dataset)
    if dataset.skip_validation or selection.participants:
        return told
    verdict = validate(root)
    if verdict is None:
        _note("not validated: pip install bids-validator-deno, or --skip-bids-validation.", telling)
    elif verdict.errors:
        kinds = ", ".join(f"{code} {count} times" for code, count in verdict.errors.items())
        _note(f"WARNING {root}: the BIDS validator finds {kinds}; going on.", telling)
    return told


def _description(root: Path, dataset: Dataset) -> Mapping[str, Any]:
    try:
        return read_description(root)
    except UsageError:
        if dataset.skip_validation and is_folder(root):
            return {}
        raise


def _note(line: str, telling: Telling) -> None:
    if not telling.quiet:
        say(line, err=True)

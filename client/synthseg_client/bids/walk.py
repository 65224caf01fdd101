"""The way through a dataset: folders as they are, whatever is missing or broken in them.

Measured on 2,000 subjects with two sessions (48,002 files): see `docs/how-to/bids.md`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from synthseg_common.images.content import placeholder

from synthseg_client.bids.names import BidsName, parse_name
from synthseg_client.bids.selection import ANATOMICAL, Selection
from synthseg_client.inputs.places import is_folder, is_there

_SUBJECT, _SESSION = "sub-", "ses-"


@dataclass(frozen=True)
class FoundScan:
    """A scan of a dataset.

    Attributes:
        path: The file, below the dataset's folder as that was given.
        name: Its name in parts.
    """

    path: Path
    name: BidsName


@dataclass(frozen=True)
class Problem:
    """What should be there and is not.

    Attributes:
        path: The file or folder.
        reason: What is wrong with it.
    """

    path: Path
    reason: str


@dataclass
class Walked:
    """What was found on the way.

    Attributes:
        scans: Those that are wanted, sorted by subject, session and name.
        problems: What was asked for, or told by the dataset, and is not there.
        notes: What the user should know beside.
        sessions: Labels of all sessions that were seen.
    """

    scans: list[FoundScan] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)


def walk_dataset(root: Path, selection: Selection) -> Walked:
    """Finds the scans that are wanted.

    Subjects and sessions are the folders that there are; tables of them are only compared. Nothing
    else is entered: not `derivatives/`, `sourcedata/`, or what is hidden.

    Args:
        root: The dataset's folder.
        selection: Which scans.
    """
    walked = Walked()
    there = {label: root / (_SUBJECT + label) for label in _labels_in(root, _SUBJECT, walked)}
    wanted = selection.participants or tuple(there)
    for label in wanted:
        if label in there:
            _walk_subject(there[label], selection, walked)
        else:
            folder = root / (_SUBJECT + label)
            walked.problems.append(Problem(folder, "no such participant in this dataset"))
    for label in selection.sessions:
        if label not in walked.sessions:
            folder = root / f"{_SUBJECT}*" / (_SESSION + label)
            walked.problems.append(Problem(folder, "no participant has such a session"))
    if not selection.participants:
        _compare_participants(root, there, walked)
    return walked


def _walk_subject(subject: Path, selection: Selection, walked: Walked) -> None:
    before = len(walked.scans) + len(walked.problems)
    sessions = _labels_in(subject, _SESSION, walked)
    walked.sessions.update(sessions)
    wanted = [label for label in sessions if not selection.sessions or label in selection.sessions]
    homes = [subject / (_SESSION + label) for label in wanted]
    for home in [subject, *homes]:
        _walk_home(home, subject.name, selection, walked)
    if len(walked.scans) + len(walked.problems) == before:
        walked.notes.append(f"{subject}: no scan of the wanted kind")


def _walk_home(home: Path, subject: str, selection: Selection, walked: Walked) -> None:
    """The anatomical folder of a subject or session."""
    images: list[BidsName] = []
    told: list[BidsName] = []
    folder = home / ANATOMICAL
    for entry in _names_in(folder, walked):
        name = parse_name(entry)
        if name is None or not (name.is_image or name.ending == ".json"):
            continue
        if name.is_image:
            images.append(name)
        if not selection.wants(name):
            continue
        if not name.is_image:
            told.append(name)
        elif misplaced := _misplaced(name, home, subject):
            walked.problems.append(Problem(folder / entry, misplaced))
        elif not is_there(folder / entry):
            walked.problems.append(Problem(folder / entry, _absence(folder / entry)))
        else:
            walked.scans.append(FoundScan(folder / entry, name))
    missing = {
        folder / f"{str(name).removesuffix(name.ending)}.nii.gz": name.ending
        for name in told
        if not any(name.covers(image) for image in images)
    }
    for path in missing:
        walked.problems.append(Problem(path, "is missing, though its sidecar is there"))
    _compare_scans(home, selection, walked, known=set(missing))


def _absence(path: Path) -> str:
    """Why a file whose name is there cannot be read; no server is asked for it."""
    return placeholder(path) or "no such file, or none that may be seen"


def _misplaced(name: BidsName, home: Path, subject: str) -> str:
    """What a name contradicts of the folders that it lies in, or nothing."""
    session = home.name if home.name != subject else None
    says = [f"{key}-{value}" if (value := name.value(key)) else None for key in ("sub", "ses")]
    if says == [subject, session]:
        return ""
    place = f"{subject}/{session}" if session else subject
    return f"its name says {', '.join(filter(None, says)) or 'no subject'}, but it lies in {place}"


def _compare_scans(home: Path, selection: Selection, walked: Walked, known: set[Path]) -> None:
    """Tells of scans that the table of scans names and that are not there."""
    parts = home.parts[-2:] if home.name.startswith(_SESSION) else home.parts[-1:]
    for row in _rows(home / f"{'_'.join(parts)}_scans.tsv", walked):
        path = home / (row.get("filename") or "")
        name = parse_name(path.name)
        if path.parent.name != ANATOMICAL or name is None or not name.is_image:
            continue
        if selection.wants(name) and path not in known and not os.path.lexists(path):
            walked.problems.append(Problem(path, "is missing, though the table of scans names it"))


def _compare_participants(root: Path, there: dict[str, Path], walked: Walked) -> None:
    table = root / "participants.tsv"
    told = [row.get("participant_id") or "" for row in _rows(table, walked)]
    missing = [label for label in told if label and label.removeprefix(_SUBJECT) not in there]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        walked.notes.append(f"{table}: names {missing[0]}{others}, of which there is no folder")


def _rows(table: Path, walked: Walked) -> list[dict[str, str]]:
    """Rows of a table; none of one that is not there, or broken, which is noted."""
    if not is_there(table):
        return []
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, ValueError, csv.Error) as error:
        walked.notes.append(f"{table}: cannot be read: {error}")
        return []


def _labels_in(folder: Path, prefix: str, walked: Walked) -> list[str]:
    return [
        name.removeprefix(prefix)
        for name in _names_in(folder, walked)
        if name.startswith(prefix) and name != prefix and is_folder(folder / name)
    ]


def _names_in(folder: Path, walked: Walked) -> list[str]:
    """Names of all that a folder holds, sorted, hidden ones left out; none if it is not there."""
    return sorted(_listed(folder, walked))


def _listed(folder: Path, walked: Walked) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return
    except OSError as error:
        walked.problems.append(Problem(folder, f"cannot be listed: {error.strerror}"))

"""What `mri_synthseg` reads and writes, by the original's rules of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthseg_client.batch.naming import SUFFIXES
from synthseg_client.batch.tasks import BatchPlan, ScanTask
from synthseg_client.errors import UsageError
from synthseg_client.inputs.places import real
from synthseg_client.inputs.sources import read_list
from synthseg_client.mri_synthseg.arguments import Arguments

_LIST = ".txt"
_TABLE = ".csv"
_ENDINGS = (".nii.gz", ".nii", ".mgz", ".npz")
_KINDS = (".nii", ".mgz", ".npz")
_NAMES = {
    "--o": "path_segmentations",
    "--post": "path_posteriors",
    "--resample": "path_resampled",
    "--vol": "path_volumes",
    "--qc": "path_qc_scores",
}
"""What the original's messages call the values of flags."""


@dataclass(frozen=True)
class Files:
    """All scans and results.

    Attributes:
        plan: The work.
        notes: What to tell on standard output, as the original does.
        left_out: Scans of the folder that are results of its others.
        folders: To make before anything starts.
    """

    plan: BatchPlan
    notes: tuple[str, ...] = ()
    left_out: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()

    @property
    def in_turn(self) -> bool:
        """Whether results replace each other, so that the last scan has to come last."""
        outputs = [real(path) for task in self.plan.tasks for path in task.outputs()]
        return len(set(outputs)) < len(outputs)


def plan_files(arguments: Arguments) -> Files:
    """Finds the scans and names the results.

    Raises:
        UsageError: A flag is missing, a scan is not there, or names do not go together.
    """
    if not arguments.i:
        raise UsageError("please specify an input file/folder (--i)")
    if not arguments.o:
        raise UsageError("please specify an output file/folder (--o)")
    place = Path(arguments.i).absolute()
    outputs = {
        flag: Path(value).absolute() if value else None
        for flag, value in (
            ("--o", arguments.o),
            ("--post", arguments.post),
            ("--resample", arguments.resample),
            ("--vol", arguments.vol),
            ("--qc", arguments.qc),
        )
    }
    if place.name.endswith(_LIST):
        files = _of_list(place, outputs)
    else:
        _refuse_lists(outputs)
        files = _of_file(place, outputs) if _is_file_name(place) else _of_folder(place, outputs)
    _refuse_replaced_scans(files.plan)
    return files


def _is_file_name(place: Path) -> bool:
    """Whether the original takes a path for that of a file: its name holds an ending anywhere."""
    return any(kind in place.name for kind in _KINDS)


def _of_list(place: Path, outputs: dict[str, Path | None]) -> Files:
    """Scans and results that are matched line by line."""
    if not place.is_file():
        raise UsageError(f"{place}: the list of scans does not exist.")
    scans = [path.absolute() for path in read_list(place)]
    columns = [_column(flag, path, place, len(scans)) for flag, path in outputs.items()]
    tasks = tuple(ScanTask(*row) for row in zip(scans, *columns, strict=True))
    return Files(BatchPlan(tasks, None, len(tasks) == 1, tasks[0].labels.parent, is_named=True))


def _column(flag: str, path: Path | None, listing: Path, length: int) -> Sequence[Path | None]:
    """The results that a list names; of a longer one the first, as in the original."""
    if path is None:
        return [None] * length
    if not path.name.endswith(_LIST):
        raise UsageError(
            f"if path_images given as text file, so must be {_NAMES[flag]}: {flag} {path}"
        )
    named = [entry.absolute() for entry in read_list(path)]
    if len(named) < length:
        raise UsageError(f"{flag} {path} holds {len(named)} names, {listing} holds {length} scans.")
    return named[:length]


def _refuse_lists(outputs: dict[str, Path | None]) -> None:
    for flag, path in outputs.items():
        if path is not None and path.name.endswith(_LIST):
            raise UsageError(
                f"{_NAMES[flag]} can only be given as text file when path_images is: {flag} {path}"
            )


def _of_file(scan: Path, outputs: dict[str, Path | None]) -> Files:
    """One scan, whose results are files, or lie in folders."""
    if not scan.is_file():
        raise UsageError(
            f"file does not exist: {scan} \nplease make sure the path and the extension are correct"
        )
    images = [
        path if path is None or _is_file_name(path) else path / _result_name(scan, flag)
        for flag, path in list(outputs.items())[:3]
    ]
    return _with_tables([_task(scan, images)], outputs, single=True)


def _of_folder(folder: Path, outputs: dict[str, Path | None]) -> Files:
    """All scans of a folder, whose results lie in folders."""
    if folder.is_file():
        raise UsageError(
            f"Extension not supported for {folder}, only use: .nii.gz, .nii, .mgz, or .npz"
        )
    images = list(outputs.items())[:3]
    for flag, path in images:
        if path is not None and path.name.endswith(_ENDINGS):
            raise UsageError(f"Output FOLDER had a FILE extension: {flag} {path}")
    tasks = [
        _task(scan, [path and path / _result_name(scan, flag) for flag, path in images])
        for scan in _scans_of(folder)
    ]
    made = {real(path) for task in tasks for path in task.outputs()}
    left_out = tuple(task.scan for task in tasks if real(task.scan) in made)
    kept = [task for task in tasks if task.scan not in left_out]
    return _with_tables(kept, outputs, single=False, left_out=left_out)


def _scans_of(folder: Path) -> list[Path]:
    try:
        found = sorted(
            path
            for path in folder.iterdir()
            if path.name.endswith(_ENDINGS) and not path.name.startswith(".") and path.is_file()
        )
    except OSError as error:
        raise UsageError(f"{folder}: cannot be listed: {error.strerror}.") from error
    if not found:
        raise UsageError(f"no .nii, .nii.gz, .mgz or .npz image could be found in {folder}")
    return found


def _result_name(scan: Path, flag: str) -> str:
    """A result's name in a folder: what the original replaces, wherever it stands in the name."""
    name = scan.name
    for kind in _KINDS:
        name = name.replace(kind, f"{SUFFIXES[flag]}{kind}")
    return name


def _task(scan: Path, images: Sequence[Path | None]) -> ScanTask:
    labels, posteriors, resampled = images
    assert labels is not None  # noqa: S101 - `--o` was asked for
    return ScanTask(scan, labels, posteriors, resampled)


def _with_tables(
    tasks: Sequence[ScanTask],
    outputs: dict[str, Path | None],
    *,
    single: bool,
    left_out: tuple[Path, ...] = (),
) -> Files:
    """The work with one table of each kind for all scans."""
    notes, tables = [], []
    for flag in ("--vol", "--qc"):
        path = outputs[flag]
        if path is not None and not path.name.endswith(_TABLE):
            notes.append(f"{_NAMES[flag]} provided without csv extension. Adding csv extension.")
            path = path.with_name(path.name + _TABLE)
        tables.append(path)
    volumes, quality = tables
    plan = BatchPlan(
        tuple(tasks), volumes, single, tasks[0].labels.parent, is_named=True, quality_table=quality
    )
    named = [path for path in (*tasks[0].outputs(), volumes, quality) if path is not None]
    folders = dict.fromkeys(path.parent for path in named)
    return Files(plan, tuple(notes), left_out, tuple(folders))


def _refuse_replaced_scans(plan: BatchPlan) -> None:
    """The original would write over a scan: nobody can mean that."""
    scans = {real(task.scan): task.scan for task in plan.tasks}
    results = [path for task in plan.tasks for path in task.outputs()]
    for path in (*results, plan.table, plan.quality_table):
        if path is not None and real(path) in scans:
            raise UsageError(f"{path} would replace the scan {scans[real(path)]}.")
    tables = [real(path) for path in (plan.table, plan.quality_table) if path is not None]
    if len(set(tables)) < len(tables):
        raise UsageError(f"{plan.table} is named by both --vol and --qc.")

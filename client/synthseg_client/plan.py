"""Which scans to segment and what to call the results, as the original names them."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthseg_client.errors import UsageError
from synthseg_client.formats import WRITABLE, format_of, is_scan_name, stem_of
from synthseg_client.places import is_folder, is_there, real

LABELS_SUFFIX = "_synthseg"
POSTERIORS_SUFFIX = "_posteriors"
RESAMPLED_SUFFIX = "_resampled"
SIDECAR_ENDING = ".json"
TABLE_ENDINGS = (".tsv", ".ctab")
SOFTWARE = "synthseg-serving"
"""What a sidecar names as the software that made the labels."""
_RESULT_SUFFIXES = (LABELS_SUFFIX, POSTERIORS_SUFFIX, RESAMPLED_SUFFIX)
_LIST = ".txt"


@dataclass(frozen=True)
class ScanTask:
    """One scan and the files that are to come of it.

    Attributes:
        scan: The file to read.
        labels: Label map to write.
        posteriors: Probability maps to write, or None.
        resampled: Scan at 1 mm to write, or None.
        table: Volumes table of this scan alone to write, or None.
    """

    scan: Path
    labels: Path
    posteriors: Path | None = None
    resampled: Path | None = None
    table: Path | None = None

    def outputs(self) -> list[Path]:
        """All files to write that were asked for by name."""
        return [
            p for p in (self.labels, self.posteriors, self.resampled, self.table) if p is not None
        ]

    def beside(self, ending: str) -> Path:
        """A file that goes with the label map."""
        return self.labels.with_name(stem_of(self.labels) + ending)


@dataclass(frozen=True)
class BatchPlan:
    """All the work.

    Attributes:
        tasks: One per scan.
        table: Volumes table of all scans together, or None.
        single: Whether one scan was named by itself, rather than a folder, a list or several.
    """

    tasks: tuple[ScanTask, ...]
    table: Path | None
    single: bool


def plan_batch(
    scans: Sequence[str],
    labels: Path,
    *,
    posteriors: Path | None = None,
    resampled: Path | None = None,
    volumes: Path | None = None,
    beside: Sequence[str] = (SIDECAR_ENDING,),
) -> BatchPlan:
    """Finds the scans and names the results.

    Args:
        scans: Files, folders, patterns, or one `.txt` list of files.
        labels: File, folder, or `.txt` list for the label maps.
        posteriors: The same for probability maps.
        resampled: The same for the scans at 1 mm.
        volumes: CSV file, or a `.txt` list of them when `labels` is a list.
        beside: Endings of the files that will be written beside each label map.

    Raises:
        UsageError: Nothing to work on, or outputs that collide with each other, with the scans,
            with their sidecars or with folders.
    """
    if not scans:
        raise UsageError(
            "no scan was given: name a file, a folder, a pattern or a .txt list with --i."
        )
    is_list = len(scans) == 1 and scans[0].lower().endswith(_LIST)
    outputs = {"--o": labels, "--post": posteriors, "--resample": resampled, "--vol": volumes}
    if is_list and labels.suffix.lower() == _LIST:
        plan = _plan_list(Path(scans[0]), outputs)
    else:
        plan = _plan_named(_read_list(Path(scans[0])) if is_list else None, scans, outputs)
    _refuse_collisions(plan, beside)
    if SIDECAR_ENDING in beside:
        _refuse_foreign_sidecars(plan)
    return plan


def _plan_list(listing: Path, outputs: dict[str, Path | None]) -> BatchPlan:
    """A list of scans with a list for each kind of output, matched line by line."""
    scans = _read_list(listing)
    columns: dict[str, list[Path | None]] = {}
    for flag, path in outputs.items():
        if path is not None and path.suffix.lower() != _LIST:
            raise UsageError(
                f"{flag} {path}: the scans and --o are .txt lists, so this must be one too."
            )
        entries = _read_list(path) if path is not None else [None] * len(scans)
        if len(entries) != len(scans):
            raise UsageError(
                f"{flag} {path}: holds {len(entries)} names, {listing} holds {len(scans)} scans."
            )
        columns[flag] = list(entries)
    tasks = tuple(
        ScanTask(scan, labels, post, resampled, _with_csv(table))
        for scan, labels, post, resampled, table in zip(scans, *columns.values(), strict=True)
    )
    for flag in ("--o", "--post", "--resample"):
        for path in columns[flag]:
            if path is not None:
                _refuse_unwritable(path, flag)
    return BatchPlan(tasks, table=None, single=False)


def _plan_named(
    listed: list[Path] | None, scans: Sequence[str], outputs: dict[str, Path | None]
) -> BatchPlan:
    """Scans found by name; outputs are folders, or files when there is one scan."""
    single = listed is None and len(scans) == 1 and not _is_many(scans[0])
    found = listed if listed is not None else list(_find(scans))
    table = outputs["--vol"]
    if table is not None and table.suffix.lower() == _LIST:
        raise UsageError(
            f"--vol {table}: a list of tables needs a .txt list of scans and one for --o."
        )
    wanted = list(zip(list(outputs.items())[:3], _RESULT_SUFFIXES, strict=True))
    if not single:
        found = _without_results(found, [path for (_, path), _ in wanted if path is not None])
    tasks = []
    for scan in found:
        labels, posteriors, resampled = (
            None if path is None else _name(scan, path, suffix, single, flag)
            for (flag, path), suffix in wanted
        )
        tasks.append(ScanTask(scan, labels, posteriors, resampled))  # type: ignore[arg-type]
    return BatchPlan(tuple(tasks), _with_csv(table), single)


def _without_results(found: list[Path], outputs: list[Path]) -> list[Path]:
    """Leaves out what an earlier run made of other scans of the batch.

    That is a file named as a result of a scan that lies beside it, or whose results go there.
    """
    written = {real(path) for path in outputs}
    made = {
        (folder, f"{stem_of(scan)}{suffix}")
        for scan in found
        for folder in {real(scan.parent), *written}
        for suffix in _RESULT_SUFFIXES
    }
    return [scan for scan in found if (real(scan.parent), stem_of(scan)) not in made]


def _is_many(scan: str) -> bool:
    """Whether an argument stands for any number of scans."""
    return is_folder(Path(scan)) or (glob.has_magic(scan) and not is_there(Path(scan)))


def _find(scans: Iterable[str]) -> Iterator[Path]:
    """The files behind the arguments, each once."""
    seen = set()
    for argument in scans:
        for path in _find_one(argument):
            # Two links to one file are two scans: tools that store equal files once make such.
            place = real(path.parent) / path.name
            if place not in seen:
                seen.add(place)
                yield path


def _find_one(argument: str) -> list[Path]:
    path = Path(argument)
    if is_folder(path):
        try:
            inside = sorted(p for p in path.iterdir() if is_scan_name(p) and not is_folder(p))
        except OSError as error:
            raise UsageError(f"{path}: cannot be listed: {error.strerror}.") from error
        if not inside:
            raise UsageError(
                f"{path}: no scan in this folder: expected {', '.join(WRITABLE)} or .img files."
            )
        return inside
    if glob.has_magic(argument) and not is_there(path):
        matches = sorted(Path(p) for p in glob.glob(argument) if is_scan_name(Path(p)))  # noqa: PTH207
        if not matches:
            raise UsageError(f"{argument}: no scan matches this pattern.")
        return matches
    if path.suffix.lower() == _LIST:
        raise UsageError(f"{path}: a .txt list must be the only --i.")
    if format_of(path) is None:
        raise UsageError(
            f"{path}: not a scan by its name: expected {', '.join(WRITABLE)}, .img or .hdr."
        )
    return [path]


def _read_list(path: Path) -> list[Path]:
    try:
        # As the file system spells names, which need not be UTF-8.
        lines = [line.strip() for line in os.fsdecode(path.read_bytes()).splitlines()]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a list of files: {error}.") from error
    if any("\0" in line for line in lines):
        raise UsageError(f"{path}: is no text, expected one file name per line.")
    entries = [Path(line) for line in lines if line]
    if not entries:
        raise UsageError(f"{path}: holds no file name, expected one per line.")
    return entries


def _name(scan: Path, output: Path, suffix: str, single: bool, flag: str) -> Path:
    """What a result is called: as given, or the scan's name with a suffix in a folder."""
    is_file = format_of(output) is not None and not is_folder(output)
    if single and is_file:
        _refuse_unwritable(output, flag)
        return output
    if is_file or output.suffix.lower() == _LIST:
        raise UsageError(f"{flag} {output}: several scans need a folder here, not one file.")
    if is_there(output) and not is_folder(output):
        raise UsageError(f"{flag} {output}: exists and is no folder.")
    kind = format_of(scan)
    return output / f"{stem_of(scan)}{suffix}{kind.result_suffix if kind else '.nii.gz'}"


def _refuse_unwritable(path: Path, flag: str) -> None:
    kind = format_of(path)
    if kind is None or kind.suffix not in WRITABLE:
        raise UsageError(f"{flag} {path}: expected a name that ends in {', '.join(WRITABLE)}.")


def _with_csv(path: Path | None) -> Path | None:
    if path is None or path.name.lower().endswith(".csv"):
        return path
    return path.with_name(path.name + ".csv")


def _refuse_collisions(plan: BatchPlan, beside: Sequence[str]) -> None:
    """Refuses two results under one name, and results that would replace a scan or a folder."""
    scans = {real(task.scan): task.scan for task in plan.tasks}
    owners: dict[Path, Path] = {}
    for task in plan.tasks:
        for output in (*task.outputs(), *map(task.beside, beside)):
            place = real(output)
            if place in scans:
                raise UsageError(
                    f"{output}: would replace the scan {scans[place]}: choose another name."
                )
            if place in owners:
                raise UsageError(
                    f"{output}: would hold the results of both {owners[place]} and {task.scan}."
                )
            _refuse_folder(output)
            owners[place] = task.scan
    if plan.table is not None:
        if real(plan.table) in {*scans, *owners}:
            raise UsageError(f"--vol {plan.table}: is the name of another file of this run.")
        _refuse_folder(plan.table)


def _refuse_folder(output: Path) -> None:
    if is_folder(output):
        raise UsageError(f"{output}: is a folder, expected the name of a file to write.")


def _refuse_foreign_sidecars(plan: BatchPlan) -> None:
    """Refuses to replace JSON files among the scans, as BIDS has them, unless they are ours."""
    folders = {real(task.scan.parent) for task in plan.tasks}
    for task in plan.tasks:
        sidecar = task.beside(SIDECAR_ENDING)
        if real(sidecar.parent) in folders and is_there(sidecar) and not _is_ours(sidecar):
            raise UsageError(
                f"{sidecar}: is there already and was not made by this tool: choose another name "
                "for the labels, or --no-sidecar."
            )


def _is_ours(sidecar: Path) -> bool:
    try:
        return bool(json.loads(sidecar.read_bytes())["software"]["name"] == SOFTWARE)
    except (OSError, ValueError, LookupError, TypeError):
        return False

"""Which scans to segment and what to call the results, as the original names them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from synthseg_common.formats import WRITABLE, stem_of

from synthseg_client.batch.collisions import settle
from synthseg_client.batch.naming import Output, prefixes, table_of, without_results
from synthseg_client.batch.tasks import SIDECAR_ENDING, BatchPlan, Refusal, ScanTask
from synthseg_client.dicom.series import DicomSeries, UnusableSource
from synthseg_client.errors import UsageError
from synthseg_client.inputs.sources import find_scans, is_list, is_many, read_list, without_repeats


def plan_batch(
    scans: Sequence[str | DicomSeries | UnusableSource],
    labels: str | os.PathLike[str] | None,
    *,
    posteriors: str | os.PathLike[str] | None = None,
    resampled: str | os.PathLike[str] | None = None,
    volumes: str | os.PathLike[str] | None = None,
    quality: str | os.PathLike[str] | None = None,
    beside_scans: bool = False,
    beside: Sequence[str] = (SIDECAR_ENDING,),
) -> BatchPlan:
    """Finds the scans and names the results.

    Args:
        scans: Files, folders, patterns, or one `.txt` list of files; DICOM series as they were
            found.
        labels: File, folder, or `.txt` list for the label maps; a slash at its end names a folder.
        posteriors: The same for probability maps.
        resampled: The same for the scans at 1 mm.
        volumes: CSV file, or a `.txt` list of them when `labels` is a list.
        quality: The same for the table of quality scores.
        beside_scans: Whether the paths of label maps, probability maps and scans at 1 mm start from
            the folder of each scan; label maps lie in that folder itself unless named.
        beside: Endings of the files that will be written beside each label map.

    Returns:
        The work. Scans whose results would collide with those of others, with scans, with their
        sidecars, with folders, or with what was made of scans of another run are left out of it and
        told as refused.

    Raises:
        UsageError: Nothing to work on, or nothing that could be meant.
    """
    if not scans:
        raise UsageError(
            "no scan was given: name a file, a folder, a pattern or a .txt list with --i."
        )
    if labels is None and not beside_scans:
        raise UsageError("no place for the results was given: name it with --o, or --beside-scans.")
    outputs = _Outputs(
        Output.of("--o", Path() if labels is None else labels, beside_scans=beside_scans),
        Output.of_any("--post", posteriors, beside_scans=beside_scans),
        Output.of_any("--resample", resampled, beside_scans=beside_scans),
        Output.of_any("--vol", volumes),
        Output.of_any("--qc", quality),
    )
    names = [scan for scan in scans if isinstance(scan, str)]
    series = [scan for scan in scans if isinstance(scan, DicomSeries)]
    if len(scans) == 1 and names and is_list(Path(names[0])):
        plan = _plan_listed(Path(names[0]), outputs)
    else:
        single = len(scans) == 1 and not any(map(is_many, names))
        found = find_scans(names) if names else []
        plan = _plan_named(found, outputs, series=series, single=single)
    return settle(replace(plan, refused=_refused(scans, outputs.labels)), beside)


def _refused(scans: Sequence[object], labels: Output) -> tuple[Refusal, ...]:
    """DICOM sources without anything to segment, which fail while others are done."""
    unusable = [scan for scan in scans if isinstance(scan, UnusableSource)]
    return tuple(Refusal(ScanTask(one.source, labels.path), one.reason) for one in unusable)


class _Outputs(NamedTuple):
    """The options that say where results go."""

    labels: Output
    posteriors: Output | None
    resampled: Output | None
    volumes: Output | None
    quality: Output | None


def _plan_listed(listing: Path, outputs: _Outputs) -> BatchPlan:
    """A list of scans; lists for the outputs are matched line by line."""
    scans = read_list(listing)
    if not outputs.labels.is_list:
        return _plan_named(without_repeats(scans), outputs)
    rows = zip(
        scans,
        *(_column(output, listing, len(scans)) for output in outputs[:3]),
        _tables(outputs.volumes, listing, len(scans)),
        _tables(outputs.quality, listing, len(scans)),
        prefixes(scans),
        strict=True,
    )
    tasks = tuple(dict.fromkeys(ScanTask(*row) for row in rows))
    tables = [o if o and not o.is_list else None for o in (outputs.volumes, outputs.quality)]
    volumes, quality = map(table_of, tables)
    folder = tasks[0].labels.parent
    return BatchPlan(tasks, volumes, False, folder, is_named=True, quality_table=quality)


def _column(output: Output | None, listing: Path, length: int) -> Sequence[Path | None]:
    """The files that a list names for results."""
    if output is None:
        return [None] * length
    if output.beside_scans or not output.is_list:
        raise output.error(
            "the scans and --o are .txt lists, so this must be one too, without --beside-scans."
        )
    entries = _lines(output, listing, length)
    for path in entries:
        if not stem_of(path) or not path.name.lower().endswith(WRITABLE):
            raise UsageError(
                f"{output.flag} {path}: expected a name that ends in {', '.join(WRITABLE)}."
            )
    return entries


def _tables(output: Output | None, listing: Path, length: int) -> Sequence[Path | None]:
    """The tables that a list names for one scan each."""
    if output is None or not output.is_list:
        return [None] * length
    return [table_of(Output(output.flag, path)) for path in _lines(output, listing, length)]


def _lines(output: Output, listing: Path, length: int) -> list[Path]:
    entries = read_list(output.path)
    if len(entries) != length:
        raise output.error(f"holds {len(entries)} names, {listing} holds {length} scans.")
    return entries


def _plan_named(
    found: list[Path],
    outputs: _Outputs,
    *,
    series: Sequence[DicomSeries] = (),
    single: bool = False,
) -> BatchPlan:
    """Scans found by name, and DICOM series; outputs are folders, or files when it is one scan."""
    *images, volumes, quality = outputs
    for table in (volumes, quality):
        if table is not None and table.is_list:
            raise table.error("a list of tables needs a .txt list of scans and one for --o.")
    wanted = [output for output in images if output is not None]
    for output in wanted:
        if output.is_list:
            raise output.error("a list of results needs a .txt list of scans as --i and --o.")
        output.refuse_other_files()
    if not single:
        found = without_results(found, wanted)
    tasks = []
    named = [*found, *(one.named_path for one in series)]
    every = [*((scan, None) for scan in found), *((one.source, one) for one in series)]
    for (scan, one), name, prefix in zip(every, named, prefixes(named), strict=True):
        labels, posteriors, resampled = (
            None if output is None else output.file_for(name, prefix, single=single)
            for output in outputs[:3]
        )
        if labels is not None:
            tasks.append(ScanTask(scan, labels, posteriors, resampled, prefix=prefix, series=one))
    is_named = single and tasks[0].labels == outputs.labels.path
    return BatchPlan(
        tuple(tasks),
        table_of(volumes),
        single,
        _common_folder(tasks),
        is_named,
        quality_table=table_of(quality),
    )


def _common_folder(tasks: Sequence[ScanTask]) -> Path:
    """The folder that holds all label maps, or the first of them where nothing may be written."""
    folders = [task.labels.parent for task in tasks]
    common = Path(os.path.commonpath([folder.absolute() for folder in folders]))
    return folders[0] if len(set(folders)) == 1 or not os.access(common, os.W_OK) else common

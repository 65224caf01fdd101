"""A folder of label maps to a label store.

Every file's header is read before any map is converted, and a new store appears only when all maps
are in it. What is wrong is told of all maps at once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from synthseg_common.errors import is_outage, reason_of
from synthseg_common.files import sync_tree

from synthseg_generator.cluster.jobs import run_all
from synthseg_generator.errors import GeneratorError, LabelError, StoreError
from synthseg_generator.label_table import LabelTable
from synthseg_generator.problems import Problem, note_problems, raise_problems
from synthseg_generator.store import writing
from synthseg_generator.store.label_map_files import (
    Source,
    check_voxel_size,
    digest_file,
    examine_headers,
    find_odd_voxel_sizes,
    find_structures_centre,
    read_label_map,
)
from synthseg_generator.store.label_store import LabelStore, is_url, normalise, open_store

_NOWHERE = ""
"""In the place of a store: maps are read and not written."""


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        written: Names of the maps that were added.
        kept: Names of the maps that were there already, from the same file content.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]


def ingest(
    folder: Path,
    destination: str | os.PathLike[str],
    table: LabelTable,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Writes all label maps of a folder into a store, a new one or one that holds the same labels.

    A new local store appears whole or not at all; one that was interrupted, or refused some of its
    maps, is resumed. Maps that a store holds already from the same file content are skipped.

    Args:
        folder: Label maps in NIfTI or MGH format; other files are ignored.
        destination: Local path or fsspec URL of the store.
        table: Labels that the maps may hold.
        workers: Processes that convert maps; with 1 no other process is started.
        scheduler: Address of a running Dask scheduler to use instead; its workers must reach the
            files and the store.
        progress: Called with the number of finished and of all maps.

    Raises:
        LabelError: Files are no label maps or do not fit the table or the others.
        StoreError: The store cannot be written, or holds something else.
    """
    existing = _existing(destination)
    if existing is not None:
        _check_table(existing, table)
    sources, problems = _examine(folder, existing)
    known = {m.name: m.sha256 for m in existing.maps} if existing else {}
    new = [source for source in sources if known.get(source.name) != source.sha256]
    convert = _Conversion(table, len(sources), workers, scheduler, progress)
    what = f"the label maps in {folder}"
    if problems:
        raise_problems([*problems, *convert(_NOWHERE, new)], what)
    if existing is None or new:
        with _writable_place(destination, table, sources[0].voxel_size_mm, existing) as place:
            unfit = convert(place, _unfinished(place, new))
            raise_problems(unfit, what, _what_is_kept(len(new) - len(unfit)))
            _list(place, {*known, *(source.name for source in new)})
    kept = tuple(source.name for source in sources if source not in new)
    return IngestReport(tuple(source.name for source in new), kept)


@dataclass(frozen=True)
class _Conversion:
    """Reads maps and writes their arrays, with as many processes as wanted; see `ingest`.

    Attributes:
        table: Labels that the maps may hold.
        total: All maps, those among them that are there already.
        workers: Processes.
        scheduler: Address of a Dask scheduler.
        progress: Called with the number of finished and of all maps.
    """

    table: LabelTable
    total: int
    workers: int
    scheduler: str | None
    progress: Callable[[int, int], None] | None

    def __call__(self, place: str, sources: Sequence[Source]) -> list[Problem]:
        """Converts maps, and says what is wrong with some of them; see `_convert`."""
        jobs = [(source,) for source in sources]
        converted = run_all(
            _convert,
            jobs,
            shared=(place, self.table),
            workers=self.workers,
            scheduler=self.scheduler,
        )
        found = []
        for problem in converted:
            found.append(problem)
            if self.progress is not None:
                self.progress(self.total - len(jobs) + len(found), self.total)
        return [problem for problem in found if problem is not None]


def _examine(folder: Path, existing: LabelStore | None) -> tuple[list[Source], list[Problem]]:
    """The maps of a folder as far as headers and digests tell, and what is wrong with them."""
    found, problems = examine_headers(folder)
    sources: list[Source] = []
    for source in found:
        with note_problems(problems):
            sources.append(replace(source, sha256=digest_file(source.path)))
    if existing is None:
        return sources, [*problems, *find_odd_voxel_sizes(sources)]
    for source in sources:
        with note_problems(problems):
            _check_compatible(existing, source)
    return sources, problems


def _check_table(existing: LabelStore, table: LabelTable) -> None:
    """Refuses to add maps to a store whose labels mean something else.

    Raises:
        StoreError: They do.
    """
    if existing.table != table:
        raise StoreError(
            f"{existing.path} was made with another label table: give the same --labels, "
            "or another store."
        )


def _check_compatible(existing: LabelStore, source: Source) -> None:
    """Refuses a map that does not fit those of a store.

    Raises:
        StoreError: The store holds a map of the same name and other content.
        LabelError: Another voxel size.
    """
    check_voxel_size(source, existing.voxel_size_mm, existing.path)
    known = {stored.name: stored.sha256 for stored in existing.maps}
    if known.get(source.name, source.sha256) != source.sha256:
        raise StoreError(
            f"{source.path} differs from the map {source.name} that {existing.path} holds; "
            "plans and trainings may rest on that one: use a new store, or rename the file."
        )


def _what_is_kept(count: int) -> str:
    """What an ingest that refused some maps says of the others."""
    if not count:
        return ""
    maps = "The one map that is sound is" if count == 1 else f"The {count} maps that are sound are"
    return f"{maps} kept for the next run: mend or remove the others, and run the command again."


def _unfinished(place: str, sources: Sequence[Source]) -> list[Source]:
    """The sources whose arrays an earlier, interrupted ingest did not complete."""
    finished = writing.read_finished_maps(place)
    return [s for s in sources if s.name not in finished or finished[s.name].sha256 != s.sha256]


def _list(place: str, names: set[str]) -> None:
    """Lists these maps; leftovers of an interrupted ingest of other files stay unlisted."""
    finished = writing.read_finished_maps(place)
    writing.list_maps(place, {name: finished[name] for name in names})


def _convert(place: str, table: LabelTable, source: Source) -> Problem | None:
    """Reads one file and writes its array, if there is a place to; runs in a worker.

    Returns:
        What is wrong with the file.
    """
    try:
        ids, affine = read_label_map(source.path, table)
    except LabelError as error:
        return Problem.of(error)
    if place == _NOWHERE:
        return None
    attributes = {
        "affine": affine.tolist(),
        "voxel_size_mm": list(source.voxel_size_mm),
        "source": source.path.name,
        "centre": find_structures_centre(ids, table),
        "sha256": source.sha256,
    }
    writing.write_map(place, source.name, ids, attributes)
    return None


@contextmanager
def _writable_place(
    destination: str | os.PathLike[str],
    table: LabelTable,
    voxel_size_mm: Sequence[float],
    existing: LabelStore | None,
) -> Iterator[str]:
    """Where to write maps; a new local store is made beside its place and moved there last."""
    if existing is not None:
        yield existing.path
        return
    if is_url(destination):
        _prepare(str(destination), table, voxel_size_mm)
        yield str(destination)
        return
    final = Path(normalise(destination))
    staging = final.with_name(f".{final.name}.partial")
    try:
        _prepare(str(staging), table, voxel_size_mm)
        yield str(staging)
        sync_tree(staging)
        staging.rename(final)
    except GeneratorError as error:
        # What was converted is kept: the same command goes on from here.
        if not is_outage(error) and not _holds_maps(str(staging)):
            shutil.rmtree(staging, ignore_errors=True)
        raise
    except OSError as error:
        raise StoreError(f"{final} cannot be written: {reason_of(error)}.") from error


def _holds_maps(place: str) -> bool:
    try:
        return bool(writing.read_finished_maps(place))
    except StoreError:
        return False


def _prepare(place: str, table: LabelTable, voxel_size_mm: Sequence[float]) -> None:
    """Takes up an interrupted ingest of the same kind, or starts anew."""
    attributes = writing.read_group_attributes(place)
    wanted = {**table.to_attributes(), "voxel_size_mm": list(voxel_size_mm)}
    if attributes is not None and all(attributes.get(key) == wanted[key] for key in wanted):
        return
    if not is_url(place):
        shutil.rmtree(place, ignore_errors=True)
    writing.create_group(place, table, voxel_size_mm)


def _existing(destination: str | os.PathLike[str]) -> LabelStore | None:
    """The store at a place; `None` where nothing is, or at a URL an ingest that did not finish."""
    if not is_url(destination):
        return open_store(destination) if Path(normalise(destination)).exists() else None
    attributes = writing.read_group_attributes(destination)
    if attributes is None or writing.is_unfinished(attributes):
        return None
    return open_store(destination)

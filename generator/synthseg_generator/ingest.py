"""A folder of label maps to a label store.

Every file's header is read before any map is converted, and a new store appears only when all maps
are in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from synthseg_common.errors import is_outage
from synthseg_common.files import sync_tree

from synthseg_generator import store_writing as writing
from synthseg_generator.cluster import run_all
from synthseg_generator.errors import GeneratorError, StoreError
from synthseg_generator.label_maps import (
    Source,
    check_voxel_size,
    file_digest,
    read_headers,
    read_label_map,
    structures_centre,
)
from synthseg_generator.label_table import LabelTable
from synthseg_generator.store import LabelStore, is_url, normalise, open_store


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

    A new local store appears whole or not at all; one that was interrupted is resumed. Maps that a
    store holds already from the same file content are skipped.

    Args:
        folder: Label maps in NIfTI or MGH format; other files are ignored.
        destination: Local path or fsspec URL of the store.
        table: Labels that the maps may hold.
        workers: Processes that convert maps; with 1 no other process is started.
        scheduler: Address of a running Dask scheduler to use instead; its workers must reach the
            files and the store.
        progress: Called with the number of finished and of all maps.

    Raises:
        LabelError: A file is no label map or does not fit the table or the others.
        StoreError: The store cannot be written, or holds something else.
    """
    sources = [replace(s, sha256=file_digest(s.path)) for s in read_headers(folder)]
    existing = _existing(destination)
    if existing is not None:
        check_compatible(existing, table, sources)
    known = {m.name: m.sha256 for m in existing.maps} if existing else {}
    new = [source for source in sources if known.get(source.name) != source.sha256]
    if existing is None or new:
        with _writable_place(destination, table, sources[0].voxel_size_mm, existing) as place:
            jobs = [(source,) for source in _unfinished(place, new)]
            converted = run_all(
                _convert, jobs, shared=(place, table), workers=workers, scheduler=scheduler
            )
            for done, _ in enumerate(converted, start=1):
                if progress is not None:
                    progress(len(sources) - len(jobs) + done, len(sources))
            _list(place, {*known, *(source.name for source in new)})
    kept = tuple(source.name for source in sources if source not in new)
    return IngestReport(tuple(source.name for source in new), kept)


def check_compatible(existing: LabelStore, table: LabelTable, sources: Sequence[Source]) -> None:
    """Refuses to add maps to a store that means something else.

    Raises:
        StoreError: Other labels, or a map of the same name and other content.
        LabelError: Another voxel size.
    """
    if existing.table != table:
        raise StoreError(
            f"{existing.path} was made with another label table: give the same --labels, "
            "or another store."
        )
    known = {stored.name: stored.sha256 for stored in existing.maps}
    for source in sources:
        check_voxel_size(source, existing.voxel_size_mm, existing.path)
        if known.get(source.name, source.sha256) != source.sha256:
            raise StoreError(
                f"{source.path} differs from the map {source.name} that {existing.path} holds; "
                "plans and trainings may rest on that one: use a new store, or rename the file."
            )


def _unfinished(place: str, sources: Sequence[Source]) -> list[Source]:
    """The sources whose arrays an earlier, interrupted ingest did not complete."""
    finished = writing.finished_maps(place)
    return [s for s in sources if s.name not in finished or finished[s.name].sha256 != s.sha256]


def _list(place: str, names: set[str]) -> None:
    """Lists these maps; leftovers of an interrupted ingest of other files stay unlisted."""
    finished = writing.finished_maps(place)
    writing.list_maps(place, {name: finished[name] for name in names})


def _convert(place: str, table: LabelTable, source: Source) -> None:
    """Reads one file and writes its array; runs in a worker."""
    ids, affine = read_label_map(source.path, table)
    attributes = {
        "affine": affine.tolist(),
        "voxel_size_mm": list(source.voxel_size_mm),
        "source": source.path.name,
        "centre": structures_centre(ids, table),
        "sha256": source.sha256,
    }
    writing.write_map(place, source.name, ids, attributes)


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
        if not is_outage(error):  # else the same command goes on from here
            shutil.rmtree(staging, ignore_errors=True)
        raise
    except OSError as error:
        raise StoreError(f"{final} cannot be written: {error}") from error


def _prepare(place: str, table: LabelTable, voxel_size_mm: Sequence[float]) -> None:
    """Takes up an interrupted ingest of the same kind, or starts anew."""
    attributes = writing.group_attributes(place)
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
    attributes = writing.group_attributes(destination)
    if attributes is None or writing.is_unfinished(attributes):
        return None
    return open_store(destination)

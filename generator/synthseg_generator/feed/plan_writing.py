"""Draws plans in bulk with Dask: the same bytes for any number of workers, resumable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from synthseg_common.errors import reason_of
from synthseg_common.files import sync_tree
from zarr.codecs import ZstdCodec

from synthseg_generator.cluster.jobs import run_all
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.plan import (
    FINISHED,
    PLAN_FORMAT,
    PLAN_FORMAT_VERSION,
    ROWS_PER_BLOCK,
    Plan,
    open_plan,
)
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.settings.files import complete_mapping, dump_settings
from synthseg_generator.store.label_store import is_url, normalise
from synthseg_generator.store.writing import (
    open_member,
    read_group_attributes,
    translate_write_errors,
)


def write_plan(
    samples: SampleSource,
    n_samples: int,
    destination: str | os.PathLike[str],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Draws the parameters of samples 0 to `n_samples - 1` and writes them into a plan.

    A local plan appears whole or not at all; an interrupted one is taken up again. A finished plan
    is left as it is when it says the same, and refused when it says something else.

    Args:
        samples: Label maps, settings and seed.
        n_samples: How many samples.
        destination: Local path or fsspec URL of the plan; workers must reach it.
        workers: Processes that draw; with 1 no other process is started.
        scheduler: Address of a running Dask scheduler to use instead.
        progress: Called with the number of finished and of all samples.

    Returns:
        The finished plan.

    Raises:
        ConfigError: The settings do not fit the label maps, or there is no sample to draw.
        StoreError: Another plan is there, or it cannot be written.
    """
    if n_samples < 1:
        raise ConfigError(f"a plan needs at least one sample, got {n_samples}.")
    attributes = _attributes(samples, n_samples)
    existing = read_group_attributes(destination)
    if existing is not None and existing.get("complete"):
        return _same_plan(destination, existing, attributes, samples)
    samples.parameters(0)  # what does not fit shows here, before any worker starts
    with _writable_place(destination, existing, attributes, samples, n_samples) as place:
        todo = _unfinished_blocks(place)
        shared = (samples, n_samples, place)
        jobs = [(block,) for block in todo]
        done = n_samples - sum(_rows_in(block, n_samples) for block in todo)
        for drawn in run_all(draw_block, jobs, shared=shared, workers=workers, scheduler=scheduler):
            done += drawn
            if progress is not None:
                progress(done, n_samples)
        with translate_write_errors(place):
            zarr.open_group(place, mode="r+").attrs.update({"complete": True})
    return open_plan(destination, samples.store)


def draw_block(samples: SampleSource, n_samples: int, place: str, block: int) -> int:
    """Draws one block of rows and writes it: whole chunks of every array; runs in a worker.

    Returns:
        How many samples it drew.
    """
    first = block * ROWS_PER_BLOCK
    count = _rows_in(block, n_samples)
    rows = [samples.parameters(k).to_row() for k in range(first, first + count)]
    with translate_write_errors(place):
        group = zarr.open_group(place, mode="r+")
        for name in rows[0]:
            open_member(group, name)[first : first + count] = np.stack([row[name] for row in rows])
        open_member(group, FINISHED)[block] = True
    return count


def _attributes(samples: SampleSource, n_samples: int) -> dict[str, Any]:
    return {
        "format": PLAN_FORMAT,
        "format_version": PLAN_FORMAT_VERSION,
        "n_samples": n_samples,
        "seed": samples.seed,
        "settings": dump_settings(samples.settings),
        "store_fingerprint": samples.store.fingerprint,
        "versions": {"numpy": np.__version__, "synthseg-serving": version("synthseg-serving")},
    }


def _same_plan(
    destination: str | os.PathLike[str],
    existing: dict[str, Any],
    wanted: dict[str, Any],
    samples: SampleSource,
) -> Plan:
    """The plan that is there, if drawn from the same; by whatever versions, it is the truth."""
    existing = {**existing, "settings": complete_mapping(existing.get("settings"))}
    for key in ("n_samples", "seed", "settings", "store_fingerprint"):
        if existing.get(key) != wanted[key]:
            shown = "" if key in ("settings", "store_fingerprint") else f" {existing.get(key)}"
            raise StoreError(
                f"{destination} holds a plan with another {key}{shown}; it is never redrawn: "
                "give the new plan another name."
            )
    return open_plan(destination, samples.store)


@contextmanager
def _writable_place(
    destination: str | os.PathLike[str],
    existing: dict[str, Any] | None,
    attributes: dict[str, Any],
    samples: SampleSource,
    n_samples: int,
) -> Iterator[str]:
    """Where to write: beside a local place, and moved there at the end; at a URL in place."""
    if is_url(destination):
        if existing is None or not _is_same(existing, attributes):
            _create(str(destination), attributes, samples, n_samples)
        yield str(destination)
        return
    final = Path(normalise(destination))
    if final.exists():
        raise StoreError(f"{final} is there and is no plan: give the plan another name.")
    staging = final.with_name(f".{final.name}.partial")
    begun = read_group_attributes(staging)
    if begun is None or not _is_same(begun, attributes):
        shutil.rmtree(staging, ignore_errors=True)
        _create(str(staging), attributes, samples, n_samples)
    yield str(staging)
    try:
        sync_tree(staging)
        staging.rename(final)
    except OSError as error:
        raise StoreError(f"{final} cannot be written: {reason_of(error)}.") from error


def _is_same(existing: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether an unfinished plan may be continued: the same numbers, drawn by the same versions."""
    return all(existing.get(key) == value for key, value in wanted.items())


def _create(place: str, attributes: dict[str, Any], samples: SampleSource, n_samples: int) -> None:
    """Makes the group with empty arrays, one chunk per block of rows."""
    with translate_write_errors(place):
        group = zarr.create_group(place, attributes=attributes, zarr_format=3, overwrite=True)
        for name, (shape, dtype) in _row_layout(samples).items():
            group.create_array(
                name,
                shape=(n_samples, *shape),
                chunks=(min(ROWS_PER_BLOCK, n_samples), *shape),
                dtype=dtype,
                compressors=ZstdCodec(level=1, checksum=True),
            )
        blocks = -(-n_samples // ROWS_PER_BLOCK)
        group.create_array(FINISHED, shape=(blocks,), chunks=(1,), dtype=bool)


def _row_layout(samples: SampleSource) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every parameter; maps are padded to one shape, so all rows are alike."""
    row = samples.parameters(0).to_row()
    return {name: (np.shape(value), np.asarray(value).dtype) for name, value in row.items()}


def _unfinished_blocks(place: str) -> list[int]:
    with translate_write_errors(place):
        finished = np.asarray(open_member(zarr.open_group(place, mode="r"), FINISHED)[...])
    return [int(block) for block in np.flatnonzero(~finished)]


def _rows_in(block: int, n_samples: int) -> int:
    return min(ROWS_PER_BLOCK, n_samples - block * ROWS_PER_BLOCK)

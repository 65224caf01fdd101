"""A plan on disk: the parameters of samples 0 to N-1 in a Zarr v3 group.

Layout, format version 1:

    PLAN.zarr/              group; attributes: format, format_version, n_samples, seed, settings,
                            store_fingerprint, versions (of what drew it), complete
        <parameter>/        one array per field of `SampleParameters`, first axis: the sample; those
                            of parts that the settings do not have are absent
        finished/           bool [block]: blocks of rows whose arrays are complete

NumPy does not promise the same stream of random numbers in every version, so the plan is the truth:
it says what drew it and is never redrawn. Importing this module loads neither TensorFlow nor Dask.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from synthseg_common.arrays import AnyArray

from synthseg_generator.draws.sample_parameters import SampleParameters
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.settings.generator import GeneratorSettings, generator_settings
from synthseg_generator.store.label_store import LabelStore, explain_unopened, normalise
from synthseg_generator.store.remote import translate_remote_errors

PLAN_FORMAT = "synthseg-plan"
PLAN_FORMAT_VERSION = 1
ROWS_PER_BLOCK = 64
FINISHED = "finished"
# Blocks that a plan keeps in memory: 64 rows of the released settings are 1.2 MB.
_CACHED_BLOCKS = 8
Block = dict[str, AnyArray]
"""Rows of every parameter by its name; first axis: the sample."""


class Plan(SampleSource):
    """An opened plan: samples whose parameters are read, not drawn.

    Args:
        path: Local path or fsspec URL.
        store: The label maps that it was drawn for.
        settings: The generative model that it was drawn from.
        seed: Names the stream of samples.
        n_samples: How many samples it holds.
        versions: Versions of the software that drew it.
    """

    n_samples: int

    def __init__(
        self,
        path: str,
        store: LabelStore,
        settings: GeneratorSettings,
        seed: int,
        n_samples: int,
        versions: Mapping[str, str],
    ) -> None:
        super().__init__(store, settings, seed)
        self.path = path
        self.n_samples = n_samples
        self.versions = dict(versions)
        self._read_block = self._cache_blocks()

    def parameters(self, k: int) -> SampleParameters:
        """Reads the parameters of sample `k`.

        Raises:
            StoreError: The plan holds no such sample, or cannot be read.
        """
        if not 0 <= k < self.n_samples:
            raise StoreError(f"{self.path} holds samples 0 to {self.n_samples - 1}, asked for {k}.")
        block = self._read_block(k // ROWS_PER_BLOCK)
        row = {name: rows[k % ROWS_PER_BLOCK] for name, rows in block.items()}
        return SampleParameters.from_row(row)

    def identify(self) -> dict[str, Any]:
        """What the samples are, see `SampleSource.identify`: of which plan."""
        return {**super().identify(), "plan": Path(self.path).name}

    def _cache_blocks(self) -> Callable[[int], Block]:
        """Reads blocks of rows, and keeps the last ones."""
        return lru_cache(maxsize=_CACHED_BLOCKS)(partial(_read_block, self.path))

    def __getstate__(self) -> dict[str, object]:
        """Sent to another process without blocks."""
        return {k: v for k, v in super().__getstate__().items() if k != "_read_block"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Arrived, it reads blocks of its own."""
        super().__setstate__(state)
        self._read_block = self._cache_blocks()


def open_plan(path: str | os.PathLike[str], store: LabelStore) -> Plan:
    """Opens a finished plan.

    Args:
        path: Local path or fsspec URL.
        store: The label maps that it was drawn for.

    Raises:
        StoreError: There is no finished plan, one of another format or for other label maps, or it
            is out of reach.
    """
    location = normalise(path)
    try:
        with translate_remote_errors():
            attributes: dict[str, Any] = zarr.open_group(location, mode="r").attrs.asdict()
    except (OSError, ValueError, ImportError) as error:
        command = "synthseg-generator plan STORE PLAN.zarr"
        raise explain_unopened(location, "plan", error, command) from error
    check_plan(location, attributes, store)
    try:
        return Plan(
            path=location,
            store=store,
            settings=generator_settings(attributes["settings"]),
            seed=int(attributes["seed"]),
            n_samples=int(attributes["n_samples"]),
            versions=attributes["versions"],
        )
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise StoreError(f"{location}: attributes of the plan are broken: {error}") from error


def check_plan(location: str, attributes: Mapping[str, Any], store: LabelStore) -> None:
    """Refuses what is no finished plan for these label maps.

    Raises:
        StoreError: It is not.
    """
    if attributes.get("format") != PLAN_FORMAT or not attributes.get("complete"):
        raise StoreError(
            f"{location} is a Zarr group, but no finished plan; "
            "make one with `synthseg-generator plan STORE PLAN.zarr`."
        )
    if attributes.get("format_version") != PLAN_FORMAT_VERSION:
        raise StoreError(
            f"{location} has plan format {attributes.get('format_version')}, expected "
            f"{PLAN_FORMAT_VERSION}: draw it with this version under another name."
        )
    if attributes.get("store_fingerprint") != store.fingerprint:
        raise StoreError(
            f"{location} was drawn for other label maps than those of {store.path}: "
            "draw a plan for these under another name."
        )


def _read_block(path: str, block: int) -> Block:
    first = block * ROWS_PER_BLOCK
    try:
        with translate_remote_errors():
            group = zarr.open_group(path, mode="r")
            return {
                name: np.asarray(array[first : first + ROWS_PER_BLOCK])
                for name, array in group.arrays()
                if name != FINISHED
            }
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: samples from {first} on cannot be read: {error}") from error

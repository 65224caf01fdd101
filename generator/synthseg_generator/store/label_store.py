"""The label store: a Zarr v3 group that holds training label maps and says what is in it.

Layout, format version 1:

    STORE.zarr/                 group; attributes: format, format_version, labels, structure_names,
                                structure_topology, voxel_size_mm, maps (the list of finished maps)
        <name>/                 one array per map, axes x, y, z in RAS, a single chunk, no shards;
                                attributes: affine (voxel to RAS mm), voxel_size_mm, source (file
                                name), sha256 (of that file), centre (of the structures, voxels)

A voxel holds the index of its label in `GenerationLabels.values`, not the label value. Maps may
differ in shape, never in voxel size. The list `maps` in the group is written last: an array that it
does not name does not exist for a reader, so a store is never half there.

Importing this module loads neither TensorFlow nor Dask.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from synthseg_common.errors import is_outage, one_line
from synthseg_common.labels import GenerationLabels

from synthseg_generator.arrays import AffineMatrix, LabelIds
from synthseg_generator.errors import ConfigError, LabelError, StoreError
from synthseg_generator.label_table import LabelTable
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.store.remote import translate_remote_errors

STORE_FORMAT = "synthseg-label-store"
STORE_FORMAT_VERSION = 1
_LOCAL_SCHEMES = ("file://", "local://")


@dataclass(frozen=True)
class StoredMap:
    """One finished map as the group lists it.

    Attributes:
        name: Name of its array.
        shape: Voxels along x, y, z.
        sha256: Digest of the source file.
        centre: Centre of mass, in voxels, of what the network shall find (target not 0); `None` in
            a map without any.
    """

    name: str
    shape: tuple[int, int, int]
    sha256: str
    centre: tuple[float, float, float] | None = None

    @property
    def geometry(self) -> MapGeometry:
        """What drawing a sample needs to know of the map."""
        return MapGeometry(self.shape, self.centre)


@dataclass(frozen=True)
class LabelStore:
    """An opened label store: cheap to make, to copy and to send to another process.

    Attributes:
        path: Local path or fsspec URL.
        table: What the ids mean.
        voxel_size_mm: Size of a voxel along x, y, z, the same in every map.
        maps: The maps in the order of their indices (by name).
    """

    path: str
    table: LabelTable
    voxel_size_mm: tuple[float, float, float]
    maps: tuple[StoredMap, ...]

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def labels(self) -> GenerationLabels:
        """The labels of the maps; a voxel holds an index into `labels.values`."""
        return self.table.labels

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the maps."""
        return tuple(stored.name for stored in self.maps)

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Voxels along x, y, z of every map."""
        return tuple(stored.shape for stored in self.maps)

    @property
    def geometries(self) -> tuple[MapGeometry, ...]:
        """What drawing a sample needs to know of every map: shape and centre of the structures."""
        return tuple(stored.geometry for stored in self.maps)

    @property
    def fingerprint(self) -> str:
        """Digest of the label table, the names and the contents; a plan is bound to it."""
        content = {
            "table": self.table.to_attributes(),
            "voxel_size_mm": self.voxel_size_mm,
            "maps": [(stored.name, stored.sha256) for stored in self.maps],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def select(self, names: Sequence[str]) -> LabelStore:
        """The same store with only some of its maps, in the store's order.

        Raises:
            StoreError: A name is not in the store, or none is given.
        """
        unknown = sorted(set(names) - set(self.names))
        if unknown or not names:
            raise StoreError(
                f"{self.path} has no map {', '.join(unknown) or '(none was asked for)'}; "
                f"it has {_some(self.names)}."
            )
        chosen = tuple(stored for stored in self.maps if stored.name in set(names))
        return LabelStore(self.path, self.table, self.voxel_size_mm, chosen)

    def name_of(self, key: str | int) -> str:
        """The name of a map given by name or by index.

        Raises:
            StoreError: No such map.
        """
        if isinstance(key, str):
            return self.select([key]).names[0]
        if not -len(self) <= key < len(self):
            raise StoreError(f"{self.path} has {len(self)} maps, asked for number {key}.")
        return self.maps[key].name

    def load(self, key: str | int) -> LabelIds:
        """Reads one map.

        Args:
            key: Name or index of the map.

        Returns:
            uint8 `[x, y, z]` in RAS (uint16 with more than 256 labels), indices into
            `labels.values`.

        Raises:
            StoreError: No such map, or its data cannot be read.
        """
        array = self._array(key)
        try:
            with translate_remote_errors():
                ids = np.asarray(array[...])
                # Zarr reads lost chunks as zeros without a word. Asking for the chunks lists the
                # store, which not every web server can, so only a map of zeros is doubted.
                lost = not ids.any() and array.nchunks_initialized != array.nchunks
        except (OSError, ValueError, RuntimeError) as error:
            raise StoreError(
                f"{self.path}: map {self.name_of(key)} cannot be read: {one_line(error)}."
            ) from error
        if lost:
            raise StoreError(f"{self.path}: the data of map {self.name_of(key)} is missing.")
        return ids

    def affine(self, key: str | int) -> AffineMatrix:
        """Voxel-to-world matrix of one map.

        Returns:
            float64 `[4, 4]`, voxel indices to RAS mm.

        Raises:
            StoreError: No such map.
        """
        return np.array(self._array(key).attrs["affine"], dtype=np.float64)

    def source(self, key: str | int) -> str:
        """File name that a map was read from.

        Raises:
            StoreError: No such map.
        """
        return str(self._array(key).attrs["source"])

    def _array(self, key: str | int) -> zarr.Array[Any]:
        name = self.name_of(key)
        try:
            with translate_remote_errors():
                return zarr.open_array(self.path, path=name, mode="r", zarr_format=3)
        except (KeyError, OSError, ValueError) as error:
            raise StoreError(
                f"{self.path}: map {name} cannot be read: {one_line(error)}."
            ) from error


def open_store(path: str | os.PathLike[str]) -> LabelStore:
    """Opens a label store for reading; one small read, whatever its size.

    Args:
        path: Local path or fsspec URL, as given to `synthseg-generator ingest`.

    Returns:
        The opened store.

    Raises:
        StoreError: There is no label store, one of another format version, or it is out of reach.
    """
    location = normalise(path)
    try:
        with translate_remote_errors():
            group = zarr.open_group(location, mode="r", zarr_format=3)
            attributes: dict[str, Any] = group.attrs.asdict()
    except (OSError, ValueError, ImportError) as error:
        command = "synthseg-generator ingest LABEL_DIR STORE.zarr"
        raise explain_unopened(location, "label store", error, command) from error
    _check_format(location, attributes)
    try:
        return LabelStore(
            path=location,
            table=LabelTable.from_attributes(attributes),
            voxel_size_mm=_triple(attributes["voxel_size_mm"]),
            maps=tuple(read_entry(entry) for entry in attributes["maps"]),
        )
    except (KeyError, TypeError, ValueError, LabelError) as error:
        raise StoreError(
            f"{location}: attributes of the label store are broken: {error}"
        ) from error


def find_cubic_voxel_size_mm(store: LabelStore) -> float:
    """Size of the voxels of a store.

    Raises:
        ConfigError: They are not cubes, which the generative model needs.
    """
    sizes = store.voxel_size_mm
    if max(sizes) - min(sizes) > 0.01 * max(sizes):
        shown = " x ".join(f"{size:g}" for size in sizes)
        raise ConfigError(
            f"{store.path} has voxels of {shown} mm, expected cubes: resample the label maps."
        )
    return float(np.mean(sizes))


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a location is an fsspec URL and not a local path (`file://` names a local one)."""
    return "://" in str(path) and not str(path).startswith(_LOCAL_SCHEMES)


def normalise(path: str | os.PathLike[str]) -> str:
    """A location as Zarr takes it: a URL unchanged, a local path absolute for all workers."""
    if is_url(path):
        return str(path)
    local = str(path)
    for scheme in _LOCAL_SCHEMES:
        local = local.removeprefix(scheme)
    return str(Path(local).absolute())


def _check_format(location: str, attributes: Mapping[str, Any]) -> None:
    if attributes.get("format") != STORE_FORMAT or "maps" not in attributes:
        raise StoreError(
            f"{location} is a Zarr group, but no finished label store; "
            "make one with `synthseg-generator ingest LABEL_DIR STORE.zarr`."
        )
    if attributes.get("format_version") != STORE_FORMAT_VERSION:
        raise StoreError(
            f"{location} has store format {attributes.get('format_version')}, expected "
            f"{STORE_FORMAT_VERSION}: ingest the label maps again with this version."
        )


def read_entry(entry: Mapping[str, Any]) -> StoredMap:
    """A map as the group lists it, or as its array describes it."""
    centre = entry["centre"]
    return StoredMap(
        name=str(entry["name"]),
        shape=_triple(entry["shape"]),
        sha256=str(entry["sha256"]),
        centre=None if centre is None else _triple(centre),
    )


def _triple(values: Sequence[Any]) -> tuple[Any, Any, Any]:
    x, y, z = values
    return x, y, z


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def explain_unopened(location: str, kind: str, error: Exception, command: str) -> StoreError:
    """Why a store or plan does not open: it cannot be reached, or there is none.

    Args:
        location: Where it should be.
        kind: What it should be.
        error: What Zarr or the file system raised.
        command: Makes one.
    """
    if is_outage(error):
        return StoreError(f"{location} cannot be reached: {one_line(error)}.")
    return StoreError(f"{location} is no {kind}: {one_line(error)}. Make one with `{command}`.")

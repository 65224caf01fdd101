"""Scans beside the label maps of a store, for supervised training.

    STORE.zarr/_scans/          group; attribute `scans`: the list of finished scans
        <name of the map>/      uint16 [x, y, z, channel] on the grid of the map, a single chunk

A voxel holds its intensity between the percentiles to which a served model rescales scans: 0 the
lower, 65535 the upper. The list is written last: a scan that it does not name does not exist.

Importing this module loads neither TensorFlow nor Dask.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from synthseg_common.errors import ImageError, one_line
from synthseg_common.images import (
    ENDINGS,
    ImageHeader,
    as_float32,
    read_header,
    read_values,
    tell_notes,
    to_ras,
    volume_files,
    without_ending,
)
from synthseg_common.processing import INPUT_PERCENTILES
from zarr.codecs import ZstdCodec

from synthseg_generator.arrays import Floats, ScanValues
from synthseg_generator.errors import LabelError, StoreError
from synthseg_generator.problems import Problem, note_problems, raise_problems
from synthseg_generator.store.label_map_files import digest_file
from synthseg_generator.store.label_store import LabelStore
from synthseg_generator.store.remote import translate_remote_errors
from synthseg_generator.store.writing import translate_write_errors, write_chunk

GROUP = "_scans"
FULL_SCALE = 65535
"""Stored value of the upper percentile."""
_MOST_CHANNELS = 16
# Voxels that the corners of scan and map may lie apart: headers hold 32-bit numbers.
_CORNER_TOLERANCE = 0.05
_COMPRESSOR = ZstdCodec(level=3, checksum=True)


@dataclass(frozen=True)
class StoredScan:
    """One finished scan as the group lists it.

    Attributes:
        name: Name of its label map.
        channels: Images in it.
        sha256: Digest of the source file.
    """

    name: str
    channels: int
    sha256: str


@dataclass(frozen=True)
class ScanReport:
    """What `add_scans` did.

    Attributes:
        written: Names of the maps that got a scan.
        kept: Names of those that had it already, from the same file content.
        lacking: Names of the maps of the store that have none.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]
    lacking: tuple[str, ...]


def add_scans(
    folder: Path,
    store: LabelStore,
    *,
    scan_suffix: str = "",
    map_suffix: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> ScanReport:
    """Puts the scans of a folder beside the label maps of the same name.

    Every scan's grid is compared with that of its map before the first is written, and all scans
    are listed or none: what is wrong is told of all of them at once.

    Args:
        folder: Scans in NIfTI or MGH format; other files are ignored.
        store: The label maps.
        scan_suffix: End of the scans' names that their maps do not have, such as `_T1w`.
        map_suffix: End of the maps' names instead, such as `_dseg`.
        progress: Called with the number of finished and of all scans.

    Raises:
        LabelError: Files are no scans, belong to no map, or lie on another grid than their map.
        StoreError: The store cannot be written, or holds another scan of a name.
    """
    paths, problems = _scans_of(folder, store, scan_suffix, map_suffix)
    known = list_scans(store)
    digests = _digests_of_fitting(paths, store, known, problems)
    new = [name for name in digests if name not in known]
    finished = dict(known)
    for done, name in enumerate(new, start=1):
        volume = None
        with note_problems(problems):
            volume = read_scan(paths[name])
        if volume is not None and not problems:
            _write(store, name, volume)
            finished[name] = StoredScan(name, volume.shape[-1], digests[name])
        if progress is not None:
            progress(done, len(new))
    raise_problems(problems, f"the scans in {folder}")
    if new:
        _list(store, finished)
    lacking = tuple(name for name in store.names if name not in finished)
    return ScanReport(tuple(new), tuple(n for n in paths if n not in new), lacking)


def _digests_of_fitting(
    paths: Mapping[str, Path],
    store: LabelStore,
    known: Mapping[str, StoredScan],
    problems: list[Problem],
) -> dict[str, str]:
    """Digests of the scans that fit the store as far as headers tell; of others, what is wrong."""
    digests = {}
    for name, path in paths.items():
        with note_problems(problems):
            digest = digest_file(path)
            _refuse_another(path, store, known.get(name), digest)
            check_grid(path, store, name)
            digests[name] = digest
    return digests


def _refuse_another(path: Path, store: LabelStore, known: StoredScan | None, digest: str) -> None:
    if known is not None and known.sha256 != digest:
        raise StoreError(
            f"{path} differs from the scan of {known.name} that {store.path} holds; trainings may "
            "rest on that one: use a new store."
        )


def list_scans(store: LabelStore) -> dict[str, StoredScan]:
    """The finished scans of a store by the name of their map; none where no scan was added."""
    try:
        with translate_remote_errors():
            attributes = zarr.open_group(store.path, path=GROUP, mode="r", zarr_format=3).attrs
        entries: Any = attributes.asdict().get("scans", [])
        return {entry["name"]: StoredScan(**entry) for entry in entries}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{store.path}: its scans cannot be read: {one_line(error)}.") from error


def load_scan(store: LabelStore, name: str) -> ScanValues:
    """Reads one scan.

    Returns:
        uint16 `[x, y, z, channel]` in RAS on the grid of the label map, see the module.

    Raises:
        StoreError: The map has no scan, or it cannot be read.
    """
    try:
        with translate_remote_errors():
            array = zarr.open_array(store.path, path=f"{GROUP}/{name}", mode="r", zarr_format=3)
            volume = np.asarray(array[...])
    except FileNotFoundError as error:
        raise StoreError(
            f"{store.path}: map {name} has no scan: add it with `synthseg-generator add-scans`."
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreError(
            f"{store.path}: the scan of {name} cannot be read: {one_line(error)}."
        ) from error
    # Zarr reads lost chunks as zeros without a word, and no scan is stored that shows nothing.
    if not volume.any():
        raise StoreError(f"{store.path}: the data of the scan of {name} is missing.")
    return volume


def check_grid(path: Path, store: LabelStore, name: str) -> None:
    """Refuses a scan whose voxels are not those of its label map.

    Raises:
        LabelError: They are others, or the file is no scan.
    """
    header = _read_header(path)
    tell_notes(header)
    corner, affine = to_ras(np.empty(header.shape[:3], np.uint8), header.placement.affine)
    shape = corner.shape
    expected, theirs = store.maps[store.names.index(name)].shape, store.affine(name)
    if shape != expected:
        raise LabelError(
            f"{path} has {_times(shape)} voxels (in RAS), its label map {name} {_times(expected)}: "
            "resample it to the grid of the label map."
        )
    ends = np.array(np.meshgrid(*[(0, side - 1) for side in shape])).reshape(3, -1)
    apart = (affine[:3, :3] - theirs[:3, :3]) @ ends + (affine[:3, 3:] - theirs[:3, 3:])
    distance = float(np.linalg.norm(apart, axis=0).max())
    if distance > _CORNER_TOLERANCE * min(store.voxel_size_mm):
        raise LabelError(
            f"{path} lies elsewhere than its label map {name}: their corners are up to "
            f"{distance:.3g} mm apart. Resample it to the grid of the label map."
        )


def read_scan(path: Path) -> ScanValues:
    """Reads a scan, aligned to RAS, intensities between percentiles.

    Returns:
        uint16 `[x, y, z, channel]`, see the module.

    Raises:
        LabelError: The file is broken, or holds no image.
    """
    header = _read_header(path)
    if header.dtype.kind not in "iuf":
        raise LabelError(f"{path} holds {header.dtype} voxels, expected real numbers.")
    try:
        values, _ = to_ras(read_values(header), header.placement.affine)
    except ImageError as error:
        raise LabelError(str(error)) from error
    volume, _ = as_float32(values.reshape(*values.shape[:3], -1))
    if not np.isfinite(volume).all():
        raise LabelError(f"{path} holds voxels that are not finite.")
    return np.stack([_rescaled(volume[..., c], path) for c in range(volume.shape[-1])], axis=-1)


def _rescaled(channel: Floats, path: Path) -> ScanValues:
    low, high = np.percentile(channel, INPUT_PERCENTILES)
    if not high > low:
        raise LabelError(f"{path} shows nothing: nearly all voxels are {low:g}.")
    share = (np.clip(channel, low, high) - low) / (high - low)
    stored: ScanValues = np.rint(share * FULL_SCALE).astype(np.uint16)
    return stored


def _read_header(path: Path) -> ImageHeader:
    try:
        header = read_header(path)
    except ImageError as error:
        raise LabelError(str(error)) from error
    shape = header.shape
    if len(shape) not in (3, 4) or header.n_volumes > _MOST_CHANNELS:
        raise LabelError(
            f"{path} has shape {shape}, expected one volume, or at most {_MOST_CHANNELS} channels."
        )
    return header


def _scans_of(
    folder: Path, store: LabelStore, scan_suffix: str, map_suffix: str
) -> tuple[dict[str, Path], list[Problem]]:
    """The scans of a folder by the name of their label map, and what is wrong with names."""
    if not folder.is_dir():
        raise LabelError(f"{folder} is no folder of scans.")
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in volume_files(folder):
        stem = without_ending(path.name)
        if not stem.endswith(scan_suffix):
            continue
        name = stem.removesuffix(scan_suffix) + map_suffix
        with note_problems(problems):
            _check_name(path, store, name, found.get(name))
            found[name] = path
    if not found and not problems:
        raise LabelError(f"{folder} holds no scan *{scan_suffix} ({', '.join(ENDINGS)}).")
    return found, problems


def _check_name(path: Path, store: LabelStore, name: str, other: Path | None) -> None:
    if name not in store.names:
        raise LabelError(
            f"{path} belongs to no label map: {store.path} has no {name}. "
            "Name scans as their maps, or say how they differ with --scan-suffix, --map-suffix."
        )
    if other is not None:
        raise LabelError(f"{path} and {other.name} both belong to {name}: remove one.")


def _write(store: LabelStore, name: str, volume: ScanValues) -> None:
    with translate_write_errors(store.path):
        group = zarr.open_group(store.path, mode="r+", zarr_format=3).require_group(GROUP)
        write_chunk(group, name, volume, ("x", "y", "z", "channel"), _COMPRESSOR)


def _list(store: LabelStore, scans: Mapping[str, StoredScan]) -> None:
    """Writes the list of scans, in one atomic step: the moment the store changes."""
    entries = [asdict(scans[name]) for name in sorted(scans)]
    with translate_write_errors(store.path):
        group = zarr.open_group(store.path, path=GROUP, mode="r+", zarr_format=3)
        group.attrs.update({"scans": entries})


def fingerprint_scans(store: LabelStore) -> str:
    """Digest of the label maps of a store and of the scans beside them."""
    scans = list_scans(store)
    content = [store.fingerprint, [(n, scans[n].sha256) for n in store.names if n in scans]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(side) for side in shape)

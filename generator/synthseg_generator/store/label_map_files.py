"""Reads label maps from files (NIfTI, MGH), aligned to RAS, as indices into a label table."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.errors import ImageError
from synthseg_common.images import (
    ENDINGS,
    ImageHeader,
    axes_in_ras,
    read_header,
    read_values,
    refuse_unreadable,
    tell_notes,
    to_ras,
    volume_files,
    voxel_sizes_mm,
    without_ending,
)

from synthseg_generator.arrays import AffineMatrix, AnyArray, LabelIds
from synthseg_generator.errors import LabelError
from synthseg_generator.label_table import LabelTable
from synthseg_generator.problems import Problem, name_some, note_problems, raise_problems

VOXEL_SIZE_TOLERANCE_MM = 0.01
# A quarter of the time that a whole map takes at once: what is between stays in the caches.
_PLANES_AT_ONCE = 64


@dataclass(frozen=True)
class Source:
    """A label map's file as its header describes it.

    Attributes:
        path: The file.
        name: File name without extension, the map's name in the store.
        shape: Voxels along x, y, z after alignment to RAS.
        voxel_size_mm: Size of a voxel along x, y, z after alignment to RAS.
        sha256: Digest of the file; empty until the file was read.
    """

    path: Path
    name: str
    shape: tuple[int, int, int]
    voxel_size_mm: tuple[float, float, float]
    sha256: str = ""


def read_headers(folder: Path) -> list[Source]:
    """Describes the label maps of a folder, reading their headers alone.

    Returns:
        One source per label map, by name.

    Raises:
        LabelError: No label map, one that is none, two of one name, or voxel sizes that differ.
    """
    sources, problems = examine_headers(folder)
    raise_problems([*problems, *find_odd_voxel_sizes(sources)], f"the label maps in {folder}")
    return sources


def examine_headers(folder: Path) -> tuple[list[Source], list[Problem]]:
    """Describes the label maps of a folder, reading their headers alone.

    Returns:
        One source per label map, by name, and what is wrong with files and names; voxel sizes may
        differ.

    Raises:
        LabelError: There is no label map.
    """
    if not folder.is_dir():
        raise LabelError(f"{folder} is no folder of label maps.")
    paths = volume_files(folder)
    if not paths:
        raise LabelError(f"{folder} holds no label map ({', '.join(ENDINGS)}).")
    sources: list[Source] = []
    problems: list[Problem] = []
    for path in paths:
        with note_problems(problems):
            sources.append(_read_header(path))
    sources.sort(key=lambda source: source.name)
    for one, other in itertools.pairwise(sources):
        if one.name == other.name:
            same = f"{one.path} and {other.path.name} would both be {one.name}: rename one."
            problems.append(Problem(LabelError(same)))
    return sources, problems


def find_odd_voxel_sizes(sources: Sequence[Source]) -> list[Problem]:
    """The maps whose voxels have another size than those of most; who has which where none do."""
    groups: list[list[Source]] = []
    for source in sources:
        same = (g for g in groups if _same_size(source.voxel_size_mm, g[0].voxel_size_mm))
        group = next(same, None)
        if group is None:
            groups.append([source])
        else:
            group.append(source)
    if len(groups) < 2:
        return []
    most = max(groups, key=len)
    if 2 * len(most) <= len(sources):
        listed = "; ".join(
            f"{_millimetres(g[0].voxel_size_mm)} in {name_some([s.path.name for s in g])}"
            for g in groups
        )
        return [
            Problem(
                LabelError(
                    f"{sources[0].path.parent} holds voxels of several sizes: {listed}. "
                    "Resample the maps to one size, or make a store for each."
                )
            )
        ]
    reference = name_some([source.path.name for source in most], 1)
    problems: list[Problem] = []
    for source in sources:
        with note_problems(problems):
            check_voxel_size(source, most[0].voxel_size_mm, reference)
    return problems


def read_label_map(path: Path, table: LabelTable) -> tuple[LabelIds, AffineMatrix]:
    """Reads a label map, aligned to RAS, as indices into the label table.

    Args:
        path: NIfTI or MGH file.
        table: Labels that it may hold.

    Returns:
        uint8 (or uint16) `[x, y, z]` ids, and float64 `[4, 4]` voxel indices to RAS mm.

    Raises:
        LabelError: The file is broken, holds values that are no integers, or unknown labels.
    """
    try:
        header = read_header(path)
        values = read_values(header, first_only=True)
    except ImageError as error:
        raise LabelError(str(error)) from error
    values, affine = to_ras(values, header.placement.affine)
    return encode(values, table, path), affine


def encode(values: AnyArray, table: LabelTable, path: Path) -> LabelIds:
    """Label values to indices into the label table.

    Args:
        values: `[x, y, z]`, any real type.
        table: Labels that may occur.
        path: Named in errors.

    Returns:
        `[x, y, z]` of the table's id type, C order.

    Raises:
        LabelError: Values that are no integers, or unknown labels.
    """
    known = np.array(table.labels.values)
    low, high = int(known.min()), int(known.max())
    lookup = np.full(high - low + 1, -1, dtype=np.int32)
    lookup[known - low] = np.arange(len(known))
    ids = np.empty(values.shape, dtype=table.id_dtype)
    for first in range(0, values.shape[2], _PLANES_AT_ONCE):
        planes = (..., slice(first, first + _PLANES_AT_ONCE))
        part = _to_integers(values[planes], path)
        inside = low <= part.min() and part.max() <= high
        found = lookup[part.astype(np.intp) - low] if inside else np.array(-1)
        if found.min() < 0:
            raise _unknown_labels(np.setdiff1d(_to_integers(values, path), known), path)
        ids[planes] = found
    return ids


def find_structures_centre(ids: LabelIds, table: LabelTable) -> list[float] | None:
    """Centre of mass, in voxels, of what the network shall find; `None` where nothing of it is.

    A bounding box would not do: the brain-stem of some maps runs down to the edge of the volume.
    """
    inside = np.array(table.labels.targets, dtype=bool)[ids]
    if not inside.any():
        return None
    counts = [inside.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    return [float(np.average(np.arange(len(count)), weights=count)) for count in counts]


def _read_header(path: Path) -> Source:
    header = read_volume_header(path)
    tell_notes(header)
    axes = axes_in_ras(header.placement.affine)
    sizes = voxel_sizes_mm(header.placement.affine)
    x, y, z = (header.shape[axis] for axis in axes)
    dx, dy, dz = (round(float(sizes[axis]), 4) for axis in axes)
    name = without_ending(path.name)
    return Source(path.absolute(), name, (x, y, z), (dx, dy, dz))


def read_volume_header(path: Path) -> ImageHeader:
    """The header of an image that holds one volume.

    Raises:
        LabelError: It is none.
    """
    try:
        header = read_header(path)
    except ImageError as error:
        raise LabelError(str(error)) from error
    if len(header.shape) < 3 or header.n_volumes != 1:
        raise LabelError(
            f"{path} has shape {header.shape}, expected one volume of three dimensions."
        )
    return header


def check_voxel_size(source: Source, expected_mm: Sequence[float], reference: str) -> None:
    """Refuses a map whose voxels have another size than those it shall lie beside.

    Raises:
        LabelError: They do.
    """
    if not _same_size(source.voxel_size_mm, expected_mm):
        raise LabelError(
            f"{source.path} has voxels of {_millimetres(source.voxel_size_mm)}, expected "
            f"{_millimetres(expected_mm)} as in {reference}: "
            "resample it, or make a store of its own."
        )


def _same_size(one_mm: Sequence[float], other_mm: Sequence[float]) -> bool:
    return np.allclose(one_mm, other_mm, rtol=0, atol=VOXEL_SIZE_TOLERANCE_MM)


def _millimetres(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes) + " mm"


def _to_integers(values: AnyArray, path: Path) -> AnyArray:
    if np.issubdtype(values.dtype, np.integer):
        return values
    if not np.issubdtype(values.dtype, np.floating):
        raise LabelError(f"{path} holds {values.dtype} voxels, expected integer labels.")
    whole = np.rint(values)
    broken = values[~(values == whole)]  # NaN too
    if broken.size:
        raise LabelError(
            f"{path} is no label map: it holds values that are no integers, such as {broken[0]:g}."
        )
    return whole


def _unknown_labels(values: AnyArray, path: Path) -> LabelError:
    listed = ", ".join(f"{value:g}" for value in values[:10].tolist())
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return LabelError(
        f"{path} holds labels that the label table does not know: {listed}{more}. "
        "Remove them from the map, or give a table of your own with --labels."
    )


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits.

    Raises:
        LabelError: It cannot be read.
    """
    try:
        refuse_unreadable(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LabelError(f"{path} cannot be read: {error}") from error
    except ImageError as error:
        raise LabelError(str(error)) from error

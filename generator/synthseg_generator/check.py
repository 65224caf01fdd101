"""Says what is wrong with a set of label maps before a network is trained on them.

Left is low x and right is high x in a store (RAS), front is high y, top is high z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from synthseg_generator.cluster import run_all
from synthseg_generator.errors import ConfigError
from synthseg_generator.label_table import BRAIN, LabelTable
from synthseg_generator.labels import STRUCTURE_NAMES, GenerationLabels
from synthseg_generator.store import LabelStore, cubic_voxel_size_mm

MIN_VOLUME_MM3 = 20.0
# Pairs that must lie on the wrong side before the whole map, and not its labels, is blamed.
_MAJORITY = 0.5
# Structures by released label value whose place in every head is known: along this axis the first
# lie lower than the second.
_CEREBELLUM = (7, 8, 46, 47)
_CEREBRUM = (2, 3, 41, 42)
_STRIATUM = (11, 12, 50, 51)
_PLACES = ((2, "upside down", _CEREBELLUM, _CEREBRUM), (1, "back to front", _CEREBELLUM, _STRIATUM))


class Severity(Enum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        severity: An error makes training wrong; a warning may be meant.
        maps: Names of the maps it concerns; empty for the whole set.
        problem: What is wrong, in words, with the label values.
    """

    severity: Severity
    maps: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        shown = ", ".join(self.maps[:3]) + (
            f" and {len(self.maps) - 3} more" if len(self.maps) > 3 else ""
        )
        return f"{self.severity.value}: {shown or 'all maps'}: {self.problem}"


@dataclass(frozen=True, eq=False)
class MapSummary:
    """How much of each label a map holds, and where.

    Attributes:
        name: The map.
        counts: int64 `[label]`, voxels.
        centroids: float64 `[label, 3]`, mean voxel index along x, y, z; NaN for absent labels.
    """

    name: str
    counts: np.ndarray
    centroids: np.ndarray


def check(
    store: LabelStore,
    *,
    min_volume_mm3: float = MIN_VOLUME_MM3,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Looks for what would spoil a training on these maps.

    Args:
        store: The label maps.
        min_volume_mm3: A structure smaller than this is reported.
        workers: Processes that read maps; with 1 no other process is started.
        scheduler: Address of a running Dask scheduler to use instead.
        progress: Called with the number of finished and of all maps.

    Returns:
        Findings, errors first.

    Raises:
        StoreError: A map cannot be read.
    """
    jobs = [(name,) for name in store.names]
    summaries = []
    for summary in run_all(summarise, jobs, shared=(store,), workers=workers, scheduler=scheduler):
        summaries.append(summary)
        if progress is not None:
            progress(len(summaries), len(jobs))
    findings = [
        *find_stretched_voxels(store),
        *find_absent_labels(store.table, summaries),
        *find_unpaired(store.table, summaries),
        *find_wrong_sides(store.table, summaries),
        *find_wrong_orientation(store.table, summaries),
        *find_tiny(store, summaries, min_volume_mm3),
    ]
    return sorted(findings, key=lambda finding: finding.severity is Severity.WARNING)


def summarise(store: LabelStore, name: str) -> MapSummary:
    """Counts and places the labels of one map; runs in a worker."""
    ids, n_labels = store.load(name), len(store.labels)
    per_plane = [_count_planes(ids, axis, n_labels) for axis in range(3)]
    counts = per_plane[0].sum(axis=1)
    centroids = np.full((n_labels, 3), np.nan)
    present = counts > 0
    for axis, planes in enumerate(per_plane):
        moment = planes @ np.arange(ids.shape[axis])
        centroids[present, axis] = moment[present] / counts[present]
    return MapSummary(name, counts, centroids)


def find_stretched_voxels(store: LabelStore) -> Iterator[Finding]:
    """Voxels that are no cubes, which the generative model needs."""
    try:
        cubic_voxel_size_mm(store)
    except ConfigError as error:
        yield Finding(Severity.ERROR, (), str(error))


def find_absent_labels(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Labels of the table that no map, or not every map, holds; maps without any structure."""
    labels = table.labels
    counts = np.array([summary.counts for summary in summaries])
    targets = np.array(labels.targets, dtype=bool)
    for index, value in enumerate(labels.values):
        lacking = tuple(s.name for s, n in zip(summaries, counts[:, index], strict=True) if n == 0)
        # Labels that only shape the background (vessels, eyes, ...) may be in few maps.
        severity = Severity.ERROR if targets[index] else Severity.WARNING
        if len(lacking) == len(summaries):
            yield Finding(severity, (), f"label {_called(table, value)} is in no map.")
        elif lacking and targets[index]:
            yield Finding(Severity.WARNING, lacking, f"label {_called(table, value)} is absent.")
    empty = tuple(s.name for s in summaries if not s.counts[targets].any())
    if empty:
        yield Finding(Severity.ERROR, empty, "no structure that the network shall find.")


def find_unpaired(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Sided labels whose partner on the other side is absent from the same map."""
    labels = table.labels
    for left, right in _pairs(labels):
        for here, there in ((left, right), (right, left)):
            lone = tuple(s.name for s in summaries if s.counts[here] and not s.counts[there])
            if lone:
                one, other = (_called(table, labels.values[i]) for i in (here, there))
                yield Finding(Severity.ERROR, lone, f"label {one} is there, its pair {other} not.")


def find_wrong_sides(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Left labels that lie to the right of their partners."""
    labels = table.labels
    exchanged = []
    wrong: dict[tuple[int, int], list[str]] = {}
    for summary in summaries:
        x = summary.centroids[:, 0]
        both = [(a, b) for a, b in _pairs(labels) if summary.counts[a] and summary.counts[b]]
        bad = [(a, b) for a, b in both if x[a] >= x[b]]
        if both and len(bad) > _MAJORITY * len(both):
            exchanged.append(summary.name)
            continue
        for pair in bad:
            wrong.setdefault(pair, []).append(summary.name)
    if exchanged:
        problem = (
            "left labels lie on the right: the file's orientation is mirrored, or left and right "
            "labels are exchanged."
        )
        yield Finding(Severity.ERROR, tuple(exchanged), problem)
    for (left, right), names in wrong.items():
        one, other = (_called(table, labels.values[i]) for i in (left, right))
        problem = f"left label {one} lies to the right of its pair {other}."
        yield Finding(Severity.ERROR, tuple(names), problem)


def find_wrong_orientation(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Heads that are upside down or back to front; where labels have the released values."""
    if table.anatomy != BRAIN:
        return
    labels = table.labels
    for axis, how, low, high in _PLACES:
        below, above = _indices(labels, low), _indices(labels, high)
        # Where either is absent its place is NaN, and nothing is said.
        names = tuple(s.name for s in summaries if _place(s, below, axis) > _place(s, above, axis))
        if names:
            problem = f"the head is {how}: the file's orientation disagrees with its labels."
            yield Finding(Severity.ERROR, names, problem)


def find_tiny(
    store: LabelStore, summaries: Sequence[MapSummary], min_volume_mm3: float
) -> Iterator[Finding]:
    """Structures of a few voxels, which are mostly stray labels."""
    voxel_mm3 = float(np.prod(store.voxel_size_mm))
    for index, value in enumerate(store.labels.values):
        if not store.labels.targets[index]:
            continue
        volumes = {s.name: s.counts[index] * voxel_mm3 for s in summaries if s.counts[index]}
        tiny = {name: volume for name, volume in volumes.items() if volume < min_volume_mm3}
        if tiny:
            problem = (
                f"label {_called(store.table, value)} has only {min(tiny.values()):g} mm³, "
                f"expected at least {min_volume_mm3:g}."
            )
            yield Finding(Severity.WARNING, tuple(tiny), problem)


def _count_planes(ids: np.ndarray, axis: int, n_labels: int) -> np.ndarray:
    """Voxels of each label in each plane across an axis: int64 `[label, plane]`."""
    planes = np.moveaxis(ids, axis, 0)
    return np.stack([np.bincount(plane.ravel(), minlength=n_labels) for plane in planes], axis=1)


def _pairs(labels: GenerationLabels) -> list[tuple[int, int]]:
    """Indices of left and right labels of one structure."""
    return [(i, j) for i, j in enumerate(labels.flip_indices) if i < j]


def _indices(labels: GenerationLabels, values: Sequence[int]) -> list[int]:
    return [labels.values.index(value) for value in values if value in labels.values]


def _place(summary: MapSummary, indices: list[int], axis: int) -> float:
    """Mean voxel index of some labels along an axis; NaN where all are absent."""
    counts = summary.counts[indices]
    if not counts.sum():
        return float("nan")
    return float(np.nansum(counts * summary.centroids[indices, axis]) / counts.sum())


def _called(table: LabelTable, value: int) -> str:
    names = {**(STRUCTURE_NAMES if table.anatomy == BRAIN else {}), **table.structure_names}
    return f"{value} ({names[value]})" if value in names else str(value)

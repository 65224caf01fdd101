"""What the linter of label maps says, and what it looks at: `linter` and `places` find it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from synthseg_common.contract import BRAIN
from synthseg_common.labels import STRUCTURE_NAMES, GenerationLabels

from synthseg_generator.arrays import Doubles, Integers, LabelIds
from synthseg_generator.label_table import LabelTable
from synthseg_generator.store.label_store import LabelStore


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
        astray: float64 `[label]`, share of a sided label that lies beyond the middle of its partner
            on the other side; 0 where either is absent.
    """

    name: str
    counts: Integers
    centroids: Doubles
    astray: Doubles


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
    astray = _astray(per_plane[0], centroids[:, 0], list_pairs(store.labels))
    return MapSummary(name, counts, centroids, astray)


def _count_planes(ids: LabelIds, axis: int, n_labels: int) -> Integers:
    """Voxels of each label in each plane across an axis: int64 `[label, plane]`."""
    planes = np.moveaxis(ids, axis, 0)
    return np.stack([np.bincount(plane.ravel(), minlength=n_labels) for plane in planes], axis=1)


def _astray(planes: Integers, x: Doubles, sides: list[tuple[int, int]]) -> Doubles:
    """Share of each sided label beyond its partner's middle, from voxels per plane across x."""
    share = np.zeros(len(planes))
    place = np.arange(planes.shape[1])
    for left, right in sides:
        # Where sides are exchanged all of a label is beyond; `find_wrong_sides` says that once.
        if x[left] < x[right]:
            share[left] = planes[left][place > x[right]].sum() / planes[left].sum()
            share[right] = planes[right][place < x[left]].sum() / planes[right].sum()
    return share


def list_pairs(labels: GenerationLabels) -> list[tuple[int, int]]:
    """Indices of left and right labels of one structure."""
    return [(i, j) for i, j in enumerate(labels.flip_indices) if i < j]


def name_label(table: LabelTable, value: int) -> str:
    """A label's value, with its name if it has one."""
    names = {**(STRUCTURE_NAMES if table.anatomy == BRAIN else {}), **table.structure_names}
    return f"{value} ({names[value]})" if value in names else str(value)

"""Finds labels on the wrong side and heads that lie otherwise than their files say.

Left is low x and right is high x in a store (RAS), front is high y, top is high z.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from synthseg_common.contract import BRAIN
from synthseg_common.labels import GenerationLabels

from synthseg_generator.arrays import Doubles
from synthseg_generator.check.findings import Finding, MapSummary, Severity, list_pairs, name_label
from synthseg_generator.label_table import LabelTable

# Pairs that must lie on the wrong side before the whole map, and not its labels, is blamed.
_MAJORITY = 0.5
# In the original's maps 0.02 at most, and there of labels of a few voxels.
_MOST_ASTRAY = 0.05
# Structures by released label value whose place in every head is known.
_CEREBELLUM = (7, 8, 46, 47)
_CEREBRUM = (2, 3, 41, 42)
_STRIATUM = (11, 12, 50, 51)
_THALAMUS = (10, 49)
_BRAIN_STEM = (16,)
# Along this axis the first lie lower than the second.
_PLACES = ((2, "upside down", _CEREBELLUM, _CEREBRUM), (1, "back to front", _CEREBELLUM, _STRIATUM))
# The way from the first to the second runs along this axis more than along the others.
_WAYS = ((2, _THALAMUS, _BRAIN_STEM), (1, _THALAMUS, _STRIATUM))


def find_wrong_sides(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Left labels that lie to the right of their partners."""
    labels = table.labels
    exchanged = []
    wrong: dict[tuple[int, int], list[str]] = {}
    for summary in summaries:
        x = summary.centroids[:, 0]
        both = [(a, b) for a, b in list_pairs(labels) if summary.counts[a] and summary.counts[b]]
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
        one, other = (name_label(table, labels.values[i]) for i in (left, right))
        problem = f"left label {one} lies to the right of its pair {other}."
        yield Finding(Severity.ERROR, tuple(names), problem)


def find_astray(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Sided labels of which a part lies on the other side."""
    for index, value in enumerate(table.labels.values):
        parts = {s.name: s.astray[index] for s in summaries if s.astray[index] > _MOST_ASTRAY}
        if parts:
            label = name_label(table, value)
            problem = f"{max(parts.values()):.0%} of label {label} lies on the other side."
            yield Finding(Severity.ERROR, tuple(parts), problem)


def find_wrong_orientation(table: LabelTable, summaries: Sequence[MapSummary]) -> Iterator[Finding]:
    """Heads that are turned over or lie on their side; where labels have the released values."""
    if table.anatomy != BRAIN:
        return
    labels = table.labels
    lying = tuple(s.name for s in summaries if _lies(labels, s))
    if lying:
        problem = "the head's axes are exchanged: the file's orientation disagrees with its labels."
        yield Finding(Severity.ERROR, lying, problem)
    for axis, how, low, high in _PLACES:
        # Where either is absent its place is NaN, and nothing is said.
        upright = [s for s in summaries if s.name not in lying]
        names = tuple(s.name for s in upright if _way(labels, s, low, high)[axis] < 0)
        if names:
            problem = f"the head is {how}: the file's orientation disagrees with its labels."
            yield Finding(Severity.ERROR, names, problem)


def _lies(labels: GenerationLabels, summary: MapSummary) -> bool:
    """Whether known ways run along other axes than they should."""
    for axis, start, end in _WAYS:
        way = np.abs(_way(labels, summary, start, end))
        if not np.isnan(way).any() and int(way.argmax()) != axis:
            return True
    return False


def _way(
    labels: GenerationLabels, summary: MapSummary, start: Sequence[int], end: Sequence[int]
) -> Doubles:
    """From one structure to another in voxels, float64 `[3]`; NaN where either is absent."""
    return _place(labels, summary, end) - _place(labels, summary, start)


def _place(labels: GenerationLabels, summary: MapSummary, values: Sequence[int]) -> Doubles:
    """Mean voxel index of some labels, float64 `[3]`; NaN where all are absent."""
    indices = [labels.values.index(value) for value in values if value in labels.values]
    counts = summary.counts[indices]
    if not counts.sum():
        return np.full(3, np.nan)
    total: Doubles = np.nansum(counts[:, None] * summary.centroids[indices], axis=0)
    return total / float(counts.sum())

"""Overlap of segmentations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def dice_scores(truth: np.ndarray, answer: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """Hard Dice of each label.

    Args:
        truth: Integers `[x, y, z]`.
        answer: Integers of the same shape.
        labels: Label values to score, in any order.

    Returns:
        float64 `[label]` in [0, 1]; NaN for a label that is in neither.
    """
    known = np.array(sorted(labels))
    first, second = (_indices(known, volume) for volume in (truth, answer))
    count = len(known)
    inside = count + 1
    table = np.bincount(first * inside + second, minlength=inside**2).reshape(inside, inside)[
        :count, :count
    ]
    sizes = (
        np.bincount(first, minlength=inside)[:count] + np.bincount(second, minlength=inside)[:count]
    )
    with np.errstate(invalid="ignore"):
        scores = 2.0 * np.diag(table) / sizes
    return scores[np.searchsorted(known, labels)]


def mean_of_present(scores: np.ndarray) -> np.ndarray:
    """Mean over rows of the scores that are there: `[row, label]` to `[label]`, NaN for none."""
    present = np.isfinite(scores)
    counts = present.sum(axis=0)
    sums = np.where(present, scores, 0.0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _indices(known: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Position of each voxel's label among the known ones; one past the last for any other."""
    flat = volume.ravel()
    place = np.minimum(np.searchsorted(known, flat), len(known) - 1)
    return np.where(known[place] == flat, place, len(known))

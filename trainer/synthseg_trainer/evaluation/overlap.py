"""Overlap of segmentations: Dice of label maps, and of label maps with probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from synthseg_common.arrays import AnyArray, FloatArray

from synthseg_trainer.aliases import LabelArray

ORIGINAL_EPSILON = 1e-5
"""What the original adds to the sizes in `fast_dice`: a label in neither map scores 0 there."""


def dice_scores(
    truth: LabelArray, answer: LabelArray, labels: Sequence[int], *, epsilon: float = 0.0
) -> FloatArray:
    """Hard Dice of each label.

    Args:
        truth: Integers `[x, y, z]`.
        answer: Integers of the same shape.
        labels: Label values to score, in any order.
        epsilon: Added to the sum of the sizes, see `ORIGINAL_EPSILON`.

    Returns:
        float64 `[label]` in [0, 1]; NaN for a label that is in neither, unless there is an epsilon.
    """
    known = np.array(sorted(labels))
    first, second = (_indices(known, volume) for volume in (truth, answer))
    count = len(known)
    inside = count + 1
    both = np.bincount(first[first == second], minlength=inside)[:count]
    sizes = (
        np.bincount(first, minlength=inside)[:count] + np.bincount(second, minlength=inside)[:count]
    )
    with np.errstate(invalid="ignore"):
        scores: FloatArray = 2.0 * both / (sizes + epsilon)
    return scores[np.searchsorted(known, labels)]


def dice_of_masks(first: AnyArray, second: AnyArray) -> float:
    """Dice of two masks; NaN if both are empty.

    One of them may hold probabilities: then this is the soft Dice.
    """
    sizes = float(first.sum(dtype=np.float64) + second.sum(dtype=np.float64))
    if not sizes:
        return float("nan")
    return 2.0 * float((first * second).sum(dtype=np.float64)) / sizes


def mean_of_present(scores: FloatArray) -> FloatArray:
    """Mean over rows of the scores that are there: `[row, label]` to `[label]`, NaN for none."""
    present = np.isfinite(scores)
    counts = present.sum(axis=0)
    sums = np.where(present, scores, 0.0).sum(axis=0)
    means = np.full(len(counts), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _indices(known: LabelArray, volume: LabelArray) -> NDArray[np.intp]:
    """Position of each voxel's label among the known ones; one past the last for any other."""
    flat = volume.ravel()
    place = np.minimum(np.searchsorted(known, flat), len(known) - 1)
    return np.where(known[place] == flat, place, len(known))

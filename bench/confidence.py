"""How sure a model is of each structure, and whether that tells good segmentations from bad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ENTROPY, WINNER, OWN_DICE = "entropy", "winner", "own Dice"
DOUBTS = {
    ENTROPY: "mean entropy inside it",
    WINNER: "1 - mean probability of the winning label inside it",
    OWN_DICE: "1 - Dice of its label with its own probabilities",
}
"""Measures of doubt, higher where less sure, as they are described in a table."""

Floats = NDArray[np.float64]


def doubts(
    winners: NDArray[np.integer], probability: NDArray[np.floating], sums: Floats
) -> dict[str, Floats]:
    """How unsure a model is of each of its labels.

    Args:
        winners: Integers `[n]`: the channel of each voxel that may be brain.
        probability: `[k, n]`: of the voxel's most probable channels, in any order; sums to 1.
        sums: `[label]`: all probability of each channel, in voxels.

    Returns:
        By measure `[label]`; not a number for labels that win nowhere.
    """
    count = len(sums)
    highest = probability.max(0).astype(np.float64)
    size = np.bincount(winners, minlength=count).astype(np.float64)
    won = np.bincount(winners, highest, count)
    entropy = np.bincount(winners, entropies(probability), count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            ENTROPY: entropy / size,
            WINNER: 1 - won / size,
            OWN_DICE: np.where(size > 0, 1 - 2 * won / (size + sums), np.nan),
        }


def entropies(probability: NDArray[np.floating]) -> Floats:
    """Entropy in nats of each column of `[k, n]`."""
    safe = np.maximum(probability, np.finfo(np.float32).tiny)
    found: Floats = -(probability * np.log(safe)).sum(0, dtype=np.float64)
    return found


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation of what both have; not a number where one does not vary."""
    pairs = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    pairs = pairs[:, np.isfinite(pairs).all(0)]
    if pairs.shape[1] < 3 or (np.ptp(pairs, axis=1) == 0).any():
        return float("nan")
    return float(stats.spearmanr(*pairs).statistic)


def area_under_roc(doubt: ArrayLike, bad: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Chance that a bad one has more doubt than a good one; 0.5 is none.

    Not a number where all are good, or all bad.
    """
    known = np.isfinite(np.asarray(doubt, np.float64))
    ranks = stats.rankdata(np.asarray(doubt, np.float64)[known])
    chosen = np.asarray(bad, bool)[known]
    n_bad, n_good = int(chosen.sum()), int((~chosen).sum())
    if not n_bad or not n_good:
        return float("nan")
    return float((ranks[chosen].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))


def centred(values: Floats) -> Floats:
    """`[scan, label]` less each label's mean: what is left when one knows the structure."""
    centre: Floats = values - np.nanmean(values, axis=0, keepdims=True)
    return centre

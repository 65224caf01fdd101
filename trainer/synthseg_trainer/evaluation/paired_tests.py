"""Whether one set of segmentations scores better than another, on the same scans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from synthseg_common.arrays import FloatArray


@dataclass(frozen=True)
class PairedTest:
    """Two sets of scores of the same scans against each other.

    Attributes:
        count: Scans with a score in both.
        first_mean: Mean of the first set over these.
        second_mean: Mean of the second.
        p_value: Of the two-sided Wilcoxon signed-rank test; 1 if all scores are equal, NaN without
            scores.
        cohens_d: Difference of the means in pooled standard deviations, as the original computes
            it, see `cohens_d`.
    """

    count: int
    first_mean: float
    second_mean: float
    p_value: float
    cohens_d: float


def paired_test(first: FloatArray, second: FloatArray) -> PairedTest:
    """Compares two sets of scores.

    Args:
        first: float64 `[scan]`, NaN where there is none.
        second: Of the same scans in the same order.

    Returns:
        Figures over the scans that both sets score.
    """
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if not len(first):
        return PairedTest(0, *(float("nan"),) * 4)
    means = float(first.mean()), float(second.mean())
    return PairedTest(len(first), *means, _wilcoxon(first, second), cohens_d(first, second))


def cohens_d(first: FloatArray, second: FloatArray) -> float:
    """Cohen's d of two samples as the original has it.

    It weighs variances by n - 1 that were divided by n, so d is larger by sqrt(n / (n - 1)) than
    the textbook's. NaN for fewer than two values, or without any spread.
    """
    n, m = len(first), len(second)
    if n + m <= 2 or (np.ptp(first) == 0 and np.ptp(second) == 0):
        return float("nan")
    pooled = ((n - 1) * first.var() + (m - 1) * second.var()) / (n + m - 2)
    return float((first.mean() - second.mean()) / np.sqrt(pooled))


def _wilcoxon(first: FloatArray, second: FloatArray) -> float:
    from scipy.stats import wilcoxon

    if np.array_equal(first, second):
        return 1.0
    return float(wilcoxon(first, second).pvalue)

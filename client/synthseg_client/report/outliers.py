"""What lies far from the rest of a run, structure by structure: robust z, relative to the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEAST_SCANS = 10
"""With fewer scans a median and a spread tell nothing."""
FAR_Z = 3.5
"""From where a value is told as far from the run's, after Iglewicz & Hoaglin 1993 (How to Detect
and Handle Outliers, ASQC).
"""
_MAD_OF_NORMAL = 0.6745
_LEAST_SPREAD = 1e-3  # of the median: below, equal scans would be told apart by their rounding


@dataclass(frozen=True)
class Spread:
    """How a measure is spread over a run.

    Attributes:
        median: Of all scans that have it, in its own unit.
        mad: Median absolute deviation from it.
        n: How many scans have it.
    """

    median: float
    mad: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of values; of none all is 0."""
        if not values:
            return cls(0.0, 0.0, 0)
        numbers = np.asarray(values, np.float64)
        median = float(np.median(numbers))
        return cls(median, float(np.median(np.abs(numbers - median))), len(values))

    def z(self, value: float) -> float | None:
        """Robust z, 0.6745 (value - median) / MAD; None where scans are too few or too alike."""
        if self.n < LEAST_SCANS or self.mad <= _LEAST_SPREAD * abs(self.median) or self.mad == 0:
            return None
        return _MAD_OF_NORMAL * (value - self.median) / self.mad


def spreads(scans: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """The spread of every measure that a scan has, in the order of the first that has it."""
    names = dict.fromkeys(name for scan in scans for name in scan)
    return {name: Spread.of([s[name] for s in scans if name in s]) for name in names}


def far(measures: Mapping[str, float], of: Mapping[str, Spread]) -> dict[str, float]:
    """Robust z by measure of what lies far from the run's median, the farthest first."""
    found = {}
    for name, value in measures.items():
        z = of[name].z(value)
        if z is not None and abs(z) >= FAR_Z:
            found[name] = z
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))

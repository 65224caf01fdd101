"""Settings of anatomy beyond that of the label maps: growth of structures, lesions.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from synthseg_common.labels import BACKGROUND

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.intensity import Prior
from synthseg_generator.settings.ranges import Uniform, check_positive, check_probability

# At a flat wall the displacement d·exp(-x²/2σ²) changes by exp(-1/2)·d/σ per mm at most, and the
# map stays invertible while that is below 1: d below 1.65 σ.
_LONGEST_PER_REACH = 1.6


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Structures that swell or shrink, and push or pull what lies around them.

    Attributes:
        labels: Label values of the maps that grow as one; name both sides for both. With one of
            them alone, flips bring it to either side.
        probability: Chance that they do in a sample.
        distance_mm: How far the map is displaced at a flat wall of a large structure; positive
            grows, negative shrinks. Away from a wall it is less, so the wall itself moves by nine
            tenths of it where it is half of `reach_mm`, by three quarters where it is all of it.
            What is thinner than a few times `reach_mm` moves less.
        reach_mm: How far around a wall its surroundings go with it: standard deviation of a
            Gaussian, at least a voxel.
    """

    labels: tuple[int, ...]
    probability: float
    distance_mm: Uniform
    reach_mm: float = 4.0

    def __post_init__(self) -> None:
        """Refuses growth of nothing, and growth that folds the map.

        Raises:
            ConfigError: No label, or the background; a probability outside [0, 1]; a reach that is
                not positive; or a distance of 1.6 times the reach or more.
        """
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ConfigError(f"growth.labels needs label values, each once, got {self.labels}.")
        if BACKGROUND in self.labels:
            raise ConfigError(
                f"growth.labels names {BACKGROUND}: the background has no walls of its own."
            )
        check_probability("growth.probability", self.probability)
        check_positive("growth.reach_mm", self.reach_mm)
        longest = _LONGEST_PER_REACH * self.reach_mm
        if not max(-self.distance_mm.low, self.distance_mm.high) < longest:
            raise ConfigError(
                f"growth.distance_mm must stay within {longest:g} mm, {_LONGEST_PER_REACH} times "
                f"growth.reach_mm {self.reach_mm:g}, or it folds the map, got "
                f"{self.distance_mm.low:g} to {self.distance_mm.high:g}; a longer reach allows "
                "more."
            )


@dataclass(frozen=True, kw_only=True)
class Lesions:
    """Spots within structures that have an intensity of their own, as in white matter.

    The target does not change: a lesion of white matter is white matter.

    Attributes:
        probability: Chance that a sample has them; 0 is off.
        labels: Label values of the maps within which they lie.
        size_mm: Distance between the nodes of the random field that they are the peaks of: most are
            about as wide as that.
        threshold: How high the field must be, in its standard deviations; higher makes fewer: 2.3 %
            of the structures at 2, 0.13 % at 3.
        means: Prior of their mean in each channel, one pair of numbers.
        stds: Prior of their standard deviation, likewise.
    """

    probability: float = 0.0
    labels: tuple[int, ...] = (2, 41)
    size_mm: float = 6.0
    threshold: Uniform = field(default=Uniform(1.5, 3.0))
    means: Prior = field(default=Prior(rows=((0.0, 250.0),)))
    stds: Prior = field(default=Prior(rows=((0.0, 30.0),)))

    def __post_init__(self) -> None:
        """Refuses impossible lesions.

        Raises:
            ConfigError: A probability outside [0, 1], no label, a size that is not positive, or a
                prior of several rows.
        """
        check_probability("lesions.probability", self.probability)
        if not self.labels:
            raise ConfigError("lesions.labels needs label values, got none.")
        check_positive("lesions.size_mm", self.size_mm)
        for name in ("means", "stds"):
            rows = len(getattr(self, name).rows)
            if rows != 1:
                raise ConfigError(f"lesions.{name} needs one pair of numbers, got {rows}.")

"""Settings of intensities: mixture of Gaussians and bias field.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import (
    Uniform,
    check_not_negative,
    check_positive,
    check_probability,
)
from synthseg_generator.settings.short_forms import at_least


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Distribution of a Gaussian's parameter, class by class; negative draws become 0.

    In a settings file: `[first, second]`, the same pair for all classes, drawn evenly; or
    `{distribution: ..., rows: [[first, second], ...]}`; or, with `file: priors.npy` in place of
    `rows`, an array of the original's layout (two rows per prior, one column per class).

    Attributes:
        distribution: `uniform` between the two numbers of a row, or `normal` with these as mean and
            standard deviation.
        rows: One pair of numbers per class, or a single pair for all classes.
    """

    distribution: Literal["uniform", "normal"] = "uniform"
    rows: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Refuses pairs that are no interval or no deviation.

        Raises:
            ConfigError: No row, an unknown distribution, bounds in the wrong order, a negative
                deviation, a number that is not finite.
        """
        if not self.rows or any(len(row) != 2 for row in self.rows):
            raise ConfigError(f"expected pairs of numbers for a prior, got {self.rows}.")
        if self.distribution not in ("uniform", "normal"):
            raise ConfigError(
                f"expected 'uniform' or 'normal' as the distribution of a prior, got "
                f"{self.distribution!r}."
            )
        for first, second in self.rows:
            if not (math.isfinite(first) and math.isfinite(second)):
                raise ConfigError(f"expected finite numbers for a prior, got {first}, {second}.")
            if self.distribution == "uniform" and first > second:
                raise ConfigError(
                    f"expected low <= high for a uniform prior, got {first}, {second}."
                )
            if self.distribution == "normal" and second < 0:
                raise ConfigError(f"expected a deviation >= 0 for a normal prior, got {second}.")


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Gaussian of each intensity class.

    Attributes:
        means: Prior of the means where no specific prior applies, in arbitrary intensity units.
        stds: Prior of the standard deviations, likewise.
        specific_means: Priors of the means in known contrasts (data sets, sequences); none for
            fully random contrast.
        specific_stds: Priors of the standard deviations, likewise.
        specific_probability: Chance that a channel takes a known contrast rather than a random one.
        specific_pairing: `joint` draws one contrast and takes both its means and its deviations.
            `independent`, as in the original, draws twice, for means and for deviations: whether
            the contrast is a known one, and which.
        specific_choice: `random` draws one of the known contrasts for every channel; `channel`
            takes the first for the first channel, and so on.
    """

    means: Prior = Prior(rows=((0.0, 250.0),))
    stds: Prior = Prior(rows=((0.0, 30.0),))
    specific_means: tuple[Prior, ...] = ()
    specific_stds: tuple[Prior, ...] = ()
    specific_probability: float = 1.0
    specific_pairing: Literal["joint", "independent"] = "joint"
    specific_choice: Literal["random", "channel"] = "random"

    def __post_init__(self) -> None:
        """Refuses contradictory priors.

        Raises:
            ConfigError: Unequal numbers of specific priors that are drawn together, an unknown way
                to draw them, or a probability outside [0, 1].
        """
        for name, known in (
            ("specific_pairing", ("joint", "independent")),
            ("specific_choice", ("random", "channel")),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(
                    f"mixture.{name} must be one of {', '.join(known)}, got {value!r}."
                )
        counts = len(self.specific_means), len(self.specific_stds)
        if self.specific_pairing == "joint" and counts[0] != counts[1]:
            raise ConfigError(
                f"mixture has {counts[0]} specific_means and {counts[1]} specific_stds, expected "
                "as many of each, or mixture.specific_pairing: independent."
            )
        check_probability("mixture.specific_probability", self.specific_probability)


@dataclass(frozen=True, kw_only=True)
class BiasField:
    """Slow brightness change across a scan, as an uneven receive coil leaves it.

    Attributes:
        strength: Standard deviation of the field's logarithm at its nodes; 0 is off.
        scale: Nodes per voxel of the crop.
        probability: Chance that a channel has one.
    """

    strength: Uniform = field(default=Uniform(0.0, 0.7), metadata=at_least(0))
    scale: float = 0.025
    probability: float = 0.95

    def __post_init__(self) -> None:
        """Refuses impossible fields.

        Raises:
            ConfigError: The probability is outside [0, 1], the strength is negative, or the scale
                lies outside (0, 1].
        """
        check_probability("bias_field.probability", self.probability)
        check_not_negative("bias_field.strength", self.strength.low)
        check_positive("bias_field.scale", self.scale)
        if self.scale > 1:
            raise ConfigError(
                f"bias_field.scale must not exceed 1 (a node per voxel), got {self.scale}."
            )

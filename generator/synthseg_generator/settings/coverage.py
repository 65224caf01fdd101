"""Settings of what a scan shows of the head: skull-stripped, or a part of it alone.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import Uniform, check_probability


@dataclass(frozen=True, kw_only=True)
class Stripping:
    """Skull-stripped scans: all that the network shall call background is black.

    Attributes:
        probability: Chance that a sample is stripped; 0 is off.
        csf_probability: Chance that the CSF around the brain (labels whose target is 24) is gone
            too, where a sample is stripped.
    """

    probability: float = 0.0
    csf_probability: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what are no probabilities.

        Raises:
            ConfigError: One lies outside [0, 1].
        """
        check_probability("stripping.probability", self.probability)
        check_probability("stripping.csf_probability", self.csf_probability)


@dataclass(frozen=True, kw_only=True)
class FieldOfView:
    """Scans that end within the head: beyond, the image is 0 and the target background.

    One end of a random axis is missing, or the other, or both.

    Attributes:
        probability: Chance that a sample is cut so; 0 is off.
        fraction: What is left of the crop along that axis.
    """

    probability: float = 0.0
    fraction: Uniform = field(default=Uniform(0.5, 0.95))

    def __post_init__(self) -> None:
        """Refuses impossible parts.

        Raises:
            ConfigError: A probability outside [0, 1], or fractions outside (0, 1].
        """
        check_probability("field_of_view.probability", self.probability)
        if not 0 < self.fraction.low <= self.fraction.high <= 1:
            raise ConfigError(
                "field_of_view.fraction must lie above 0 and not above 1, got "
                f"{self.fraction.low:g} to {self.fraction.high:g}."
            )

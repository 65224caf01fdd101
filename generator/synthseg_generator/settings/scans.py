"""Settings of augmented scans beyond those of the generative model. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import Uniform

_STD = Uniform(0.0, 6.0)


@dataclass(frozen=True, kw_only=True)
class ScanNoise:
    """Noise added to scans.

    Attributes:
        std: Standard deviation, where the scan's range is 255.
        probability: Chance that a channel has it.
    """

    std: Uniform = _STD
    probability: float = 0.95

    def __post_init__(self) -> None:
        """Refuses impossible noise.

        Raises:
            ConfigError: A negative deviation, or a probability outside [0, 1].
        """
        if self.std.low < 0:
            raise ConfigError(f"noise.std must not be negative, got {self.std.low}.")
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"noise.probability must lie in [0, 1], got {self.probability}.")

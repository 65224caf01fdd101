"""Intervals that random settings are drawn from. Importing this module loads nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from synthseg_generator.errors import ConfigError

AXES = 3
# Voxel sizes come from affines of four or five digits.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Uniform:
    """Values drawn evenly between two bounds; equal bounds are a fixed value."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuses bounds in the wrong order.

        Raises:
            ConfigError: low is above high, or a bound is no number.
        """
        if not self.low <= self.high:
            raise ConfigError(f"Uniform needs low <= high, got low={self.low}, high={self.high}.")
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ConfigError(f"Uniform needs finite bounds, got {self.low} and {self.high}.")


PerAxis = tuple[Uniform, Uniform, Uniform]
PerTerm = tuple[Uniform, Uniform, Uniform, Uniform, Uniform, Uniform]
Triple = tuple[float, float, float]
Shape = tuple[int, int, int]


def each_axis(interval: Uniform) -> PerAxis:
    """One interval for x, y and z alike; each axis still draws its own value."""
    return (interval, interval, interval)


def each_term(interval: Uniform) -> PerTerm:
    """One interval for the six terms of a shear alike."""
    return (*each_axis(interval), *each_axis(interval))


def cube(side: float) -> Triple:
    """One length for x, y and z alike."""
    return (side, side, side)


def snap(length_mm: float, voxel_size_mm: float) -> float:
    """A length that is the voxel size but for the rounding of an affine, as the voxel size."""
    near = math.isclose(length_mm, voxel_size_mm, rel_tol=_ROUNDING)
    return voxel_size_mm if near else length_mm


def check_probability(name: str, value: float) -> None:
    """Refuses what is no probability.

    Raises:
        ConfigError: It lies outside [0, 1]; the message names the setting.
    """
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} must lie between 0 and 1, got {value}.")


def check_positive(name: str, *values: float) -> None:
    """Refuses what is not above 0.

    Raises:
        ConfigError: One is not, or is not finite; the message names the setting.
    """
    for value in values:
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{name} must be positive, got {value}.")


def check_not_negative(name: str, *values: float) -> None:
    """Refuses what is below 0.

    Raises:
        ConfigError: One is, or is not finite; the message names the setting.
    """
    for value in values:
        if not (value >= 0 and math.isfinite(value)):
            raise ConfigError(f"{name} must not be negative, got {value}.")


def check_count(name: str, value: int, least: int = 1) -> None:
    """Refuses what is no whole number of at least `least`.

    Raises:
        ConfigError: It is not; the message names the setting.
    """
    if int(value) != value or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value}.")


def coarsen_shape(shape: Sequence[int], scale: float) -> Shape:
    """Nodes of a grid that covers so many voxels with `scale` nodes per voxel, rounded up."""
    x, y, z = (math.ceil(side * scale) for side in shape)
    return (x, y, z)

"""Settings of what happens to the label map: affine map, elastic warp, crop.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import (
    AXES,
    PerAxis,
    PerTerm,
    Shape,
    Triple,
    Uniform,
    check_count,
    check_not_negative,
    check_positive,
    each_axis,
    each_term,
)
from synthseg_generator.settings.short_forms import around, at_least

# A millionth of a displacement is below what float32 coordinates of a map can tell apart.
_MOST_SQUARINGS = 20


@dataclass(frozen=True, kw_only=True)
class Affine:
    """Random affine map about the centre of the label map: scaling after shearing after rotation.

    In a settings file each takes `[low, high]` for all axes, one such pair per axis, a bound b (or
    one per axis) for b around the neutral value, or `false` for off.

    Attributes:
        rotation_deg: Rotation about x, y, z in degrees.
        scaling: Factors along x, y, z.
        shearing: Off-diagonal terms (0,1), (0,2), (1,0), (1,2), (2,0), (2,1).
        translation: Shift along x, y, z in voxels.
    """

    rotation_deg: PerAxis = field(default=each_axis(Uniform(-15, 15)), metadata=around(0, 3))
    scaling: PerAxis = field(default=each_axis(Uniform(0.8, 1.2)), metadata=around(1, 3))
    shearing: PerTerm = field(default=each_term(Uniform(-0.012, 0.012)), metadata=around(0, 6))
    translation: PerAxis = field(default=each_axis(Uniform(0, 0)), metadata=around(0, 3))

    def __post_init__(self) -> None:
        """Refuses maps that turn the anatomy inside out.

        Raises:
            ConfigError: Too few or too many intervals, or a factor that is not positive.
        """
        terms = {"rotation_deg": 3, "scaling": 3, "shearing": 6, "translation": 3}
        for name, count in terms.items():
            if len(getattr(self, name)) != count:
                raise ConfigError(
                    f"affine.{name} needs {count} intervals, got {len(getattr(self, name))}."
                )
        check_positive("affine.scaling", *(interval.low for interval in self.scaling))


@dataclass(frozen=True, kw_only=True)
class Elastic:
    """Random diffeomorphic warp: a coarse Gaussian velocity field, enlarged and integrated.

    Attributes:
        strength: Standard deviation of the velocity, in voxels of a grid of half the resolution; 0
            is off.
        scale: Nodes of the velocity grid per voxel of the label map.
        integration_step: Voxels of the label map between nodes of the grid on which the velocity is
            integrated. 2 is the half resolution of the original. Larger is faster and less exact:
            with the released settings, 4 (the default) changes coordinates by 0.14 voxels (root
            mean square) and the labels of 1 % of the voxels, 8 by 0.5 voxels and of 4 %.
        squarings: Number of doublings in the integration, which takes 2 to this power steps.
    """

    strength: Uniform = field(default=Uniform(0.0, 4.0), metadata=at_least(0))
    scale: float = 0.04
    integration_step: int = 4
    squarings: int = 7

    def __post_init__(self) -> None:
        """Refuses warps that cannot be computed.

        Raises:
            ConfigError: A negative strength, a scale outside (0, 1], or a count out of its range.
        """
        check_not_negative("elastic.strength", self.strength.low)
        check_positive("elastic.scale", self.scale)
        if self.scale > 1:
            raise ConfigError(
                f"elastic.scale must not exceed 1 (a node per voxel), got {self.scale}."
            )
        check_count("elastic.integration_step", self.integration_step)
        check_count("elastic.squarings", self.squarings, least=0)
        if self.squarings > _MOST_SQUARINGS:
            raise ConfigError(
                f"elastic.squarings must not exceed {_MOST_SQUARINGS}, got {self.squarings}."
            )


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Which part of the warped map becomes the sample, and on which grid.

    Attributes:
        shape: Size of image and target in voxels along x, y, z; `None` takes the whole map.
        spacing_mm: Voxel size of image and target along x, y, z; `None` keeps that of the maps.
        multiple: Sides must be multiples of this: a whole map is cut to the next smaller multiple,
            and a `shape` with other sides is refused.
        placement: `uniform` anywhere in the map, as in the original, or `centred` on the
            structures.
        jitter: With `centred`, largest distance from that place along each axis, in voxels of the
            map.
    """

    shape: Shape | None = (160, 160, 160)
    spacing_mm: Triple | None = None
    multiple: int = 1
    placement: Literal["uniform", "centred"] = "uniform"
    jitter: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what makes no crop.

        Raises:
            ConfigError: A side below 1 or no multiple, a spacing that is not positive, an unknown
                placement, or a negative jitter.
        """
        self._check_shape()
        if self.spacing_mm is not None:
            if len(self.spacing_mm) != AXES:
                raise ConfigError(f"crop.spacing_mm needs three lengths, got {self.spacing_mm}.")
            check_positive("crop.spacing_mm", *self.spacing_mm)
        if self.placement not in ("uniform", "centred"):
            raise ConfigError(
                f"crop.placement must be 'uniform' or 'centred', got {self.placement!r}."
            )
        check_not_negative("crop.jitter", self.jitter)

    def _check_shape(self) -> None:
        check_count("crop.multiple", self.multiple)
        if self.shape is None:
            return
        if len(self.shape) != AXES or any(int(side) != side or side < 1 for side in self.shape):
            raise ConfigError(
                f"crop.shape needs three whole sides of at least 1 voxel, got {self.shape}."
            )
        if not self.fits(self.multiple):
            smaller = [side - side % self.multiple for side in self.shape]
            raise ConfigError(
                f"crop.shape {self.shape} contradicts crop.multiple {self.multiple}: "
                f"the next smaller shape is {smaller}."
            )

    def fits(self, multiple: int) -> bool:
        """Whether every side of image and target is sure to be a multiple of this."""
        sides = (self.multiple,) if self.shape is None else self.shape
        return all(side % multiple == 0 for side in sides)

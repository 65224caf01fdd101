"""Settings of the simulated scanner. Importing this module loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, fields

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import (
    AXES,
    Triple,
    check_positive,
    check_probability,
    snap,
)

_RANDOM = (
    "max_isotropic_mm",
    "max_anisotropic_mm",
    "isotropic_probability",
    "native_probability",
)


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """Slice spacing and thickness of the simulated scanner: drawn for every sample, or fixed.

    Attributes:
        max_isotropic_mm: Largest spacing along x, y, z when all three axes are drawn.
        max_anisotropic_mm: Largest spacing along x, y, z when one axis is drawn and the others stay
            fine.
        isotropic_probability: Chance that the spacing of all axes is drawn (for each axis on its
            own, as the original does).
        native_probability: Chance that the spacing stays that of the label map; with 1 it is never
            drawn.
        blur_jitter: Largest factor by which blur widths vary: they are multiplied by a number
            between its inverse and itself.
        fixed_spacing_mm: Fixed spacing along x, y, z, one row per channel or one for all; none to
            draw it.
        fixed_thickness_mm: Fixed slice thickness in the same form; none for slices as thick as
            their spacing.
    """

    max_isotropic_mm: Triple = (4.0, 4.0, 4.0)
    max_anisotropic_mm: Triple = (8.0, 8.0, 8.0)
    isotropic_probability: float = 0.1
    native_probability: float = 0.05
    blur_jitter: float = 1.03
    fixed_spacing_mm: tuple[Triple, ...] = ()
    fixed_thickness_mm: tuple[Triple, ...] = ()

    def __post_init__(self) -> None:
        """Refuses impossible scanners.

        Raises:
            ConfigError: A probability outside [0, 1], a length that is not positive, a jitter below
                1, or a fixed scanner that contradicts itself or the random one.
        """
        check_probability("acquisition.isotropic_probability", self.isotropic_probability)
        check_probability("acquisition.native_probability", self.native_probability)
        for name in ("max_isotropic_mm", "max_anisotropic_mm"):
            self._check_lengths(name, getattr(self, name))
        for name in ("fixed_spacing_mm", "fixed_thickness_mm"):
            for row in getattr(self, name):
                self._check_lengths(name, row)
        check_positive("acquisition.blur_jitter", self.blur_jitter)
        if self.blur_jitter < 1:
            raise ConfigError(
                f"acquisition.blur_jitter must be at least 1, got {self.blur_jitter}."
            )
        self._check_fixed()

    @staticmethod
    def _check_lengths(name: str, row: Triple) -> None:
        if len(row) != AXES:
            raise ConfigError(f"acquisition.{name} needs three lengths, got {row}.")
        check_positive(f"acquisition.{name}", *row)

    def _check_fixed(self) -> None:
        if self.fixed_thickness_mm and not self.fixed_spacing_mm:
            raise ConfigError(
                "acquisition.fixed_thickness_mm needs acquisition.fixed_spacing_mm beside it."
            )
        if not self.fixed_spacing_mm:
            return
        defaults = {f.name: f.default for f in fields(self)}
        for name in _RANDOM:
            if getattr(self, name) != defaults[name]:
                raise ConfigError(
                    f"acquisition.{name} has no effect beside acquisition.fixed_spacing_mm: "
                    "leave one of them out."
                )

    def check_channels(self, n_channels: int) -> None:
        """Refuses fixed rows that do not match the channels.

        Raises:
            ConfigError: There is neither one row nor one per channel.
        """
        for name in ("fixed_spacing_mm", "fixed_thickness_mm"):
            rows = len(getattr(self, name))
            if rows not in (0, 1, n_channels):
                raise ConfigError(
                    f"acquisition.{name} has {rows} rows, expected 1 or one per channel, "
                    f"that is {n_channels}."
                )

    def fixed_rows(
        self, n_channels: int, native_mm: float = 1.0
    ) -> tuple[tuple[Triple, Triple], ...]:
        """Fixed spacing and thickness of every channel in mm; none when they are drawn.

        Args:
            n_channels: How many channels.
            native_mm: Voxel size of the label map, taken for lengths that differ by rounding alone.
        """
        if not self.fixed_spacing_mm:
            return ()
        thickness = self.fixed_thickness_mm or self.fixed_spacing_mm
        rows = [
            [_snapped(row, native_mm) for row in part]
            for part in (self.fixed_spacing_mm, thickness)
        ]
        spread = [part * n_channels if len(part) == 1 else part for part in rows]
        return tuple(zip(*spread, strict=True))


def _snapped(row: Triple, native_mm: float) -> Triple:
    x, y, z = (snap(length, native_mm) for length in row)
    return (x, y, z)

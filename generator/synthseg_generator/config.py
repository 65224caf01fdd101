"""Settings of the generative model. Importing this module loads nothing heavy.

The defaults are those of the released model (160³ crops at 1 mm), from the training script that its
authors name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from synthseg_generator.errors import ConfigError

AXES = 3

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Uniform:
    """Values drawn evenly between two bounds."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuses bounds in the wrong order.

        Raises:
            ConfigError: low is above high.
        """
        if not self.low <= self.high:
            raise ConfigError(f"Uniform needs low <= high, got low={self.low}, high={self.high}.")


PerAxis = tuple[Uniform, Uniform, Uniform]


def _each_axis(interval: Uniform) -> PerAxis:
    return (interval, interval, interval)


_ROTATION_DEG = _each_axis(Uniform(-15, 15))
_SCALING = _each_axis(Uniform(0.8, 1.2))
_NO_SHIFT = _each_axis(Uniform(0, 0))


@dataclass(frozen=True, kw_only=True)
class Affine:
    """Random affine map about the centre of the label map: scaling after shearing after rotation.

    Attributes:
        rotation_deg: Rotation about x, y, z in degrees.
        scaling: Factors along x, y, z.
        shearing: The six off-diagonal terms all lie in this interval.
        translation: Shift along x, y, z in voxels.
    """

    rotation_deg: PerAxis = _ROTATION_DEG
    scaling: PerAxis = _SCALING
    shearing: Uniform = Uniform(-0.012, 0.012)
    translation: PerAxis = _NO_SHIFT


@dataclass(frozen=True, kw_only=True)
class Elastic:
    """Random diffeomorphic warp: a coarse Gaussian velocity field, enlarged and integrated.

    Attributes:
        strength: Standard deviation of the velocity, in voxels of a grid of half the resolution; 0
            is off.
        scale: Nodes of the velocity grid per voxel of the label map.
        integration_step: Voxels of the label map between nodes of the grid on which the velocity is
            integrated. 2 is the original's half resolution; more is faster. At 4 coordinates differ
            from the original's by 0.06 voxels (root mean square, strength 2), at 8 by 0.3.
        squarings: Doublings of the integration; 2 to this power steps.
    """

    strength: Uniform = Uniform(0.0, 4.0)
    scale: float = 0.04
    integration_step: int = 4
    squarings: int = 7


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Which part of the warped map becomes the sample.

    Attributes:
        shape: Size in voxels along x, y, z.
        placement: `uniform` anywhere in the map, as in the original, or `centred` on the
            structures.
        jitter: With `centred`, largest distance from that place along each axis, in voxels.
    """

    shape: tuple[int, int, int] = (160, 160, 160)
    placement: Literal["uniform", "centred"] = "uniform"
    jitter: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what makes no crop.

        Raises:
            ConfigError: A side below 1, an unknown placement, a negative jitter.
        """
        if len(self.shape) != AXES or any(int(side) != side or side < 1 for side in self.shape):
            raise ConfigError(
                f"crop.shape needs three whole sides of at least 1 voxel, got {self.shape}."
            )
        if self.placement not in ("uniform", "centred"):
            raise ConfigError(
                f"crop.placement must be 'uniform' or 'centred', got {self.placement!r}."
            )
        if self.jitter < 0:
            raise ConfigError(f"crop.jitter must not be negative, got {self.jitter}.")


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Where a Gaussian's parameter is drawn from, class by class.

    Attributes:
        distribution: `uniform` between the two numbers of a row, or `normal` with them as mean and
            deviation.
        rows: One pair of numbers per class, or a single pair for all classes.
    """

    distribution: Literal["uniform", "normal"] = "uniform"
    rows: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Refuses pairs that are no interval or no deviation.

        Raises:
            ConfigError: No row, an unknown distribution, bounds in the wrong order, a negative
                deviation.
        """
        if not self.rows or any(len(row) != 2 for row in self.rows):
            raise ConfigError(f"a prior needs pairs of numbers, got {self.rows}.")
        if self.distribution not in ("uniform", "normal"):
            raise ConfigError(
                f"prior distribution must be 'uniform' or 'normal', got {self.distribution!r}."
            )
        for first, second in self.rows:
            if self.distribution == "uniform" and first > second:
                raise ConfigError(f"a uniform prior needs low <= high, got {first}, {second}.")
            if self.distribution == "normal" and second < 0:
                raise ConfigError(f"a normal prior needs a deviation >= 0, got {second}.")


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Gaussian of each intensity class.

    Attributes:
        means: Where the means are drawn from when no specific prior applies, in arbitrary intensity
            units.
        stds: The same for the standard deviations.
        specific_means: Priors of known contrasts, one of which is drawn per sample; none for fully
            random contrast.
        specific_stds: The same for the standard deviations; as many as `specific_means`.
        specific_probability: Chance that a channel takes a known contrast rather than a random one.
    """

    means: Prior = Prior(rows=((0.0, 250.0),))
    stds: Prior = Prior(rows=((0.0, 30.0),))
    specific_means: tuple[Prior, ...] = ()
    specific_stds: tuple[Prior, ...] = ()
    specific_probability: float = 1.0

    def __post_init__(self) -> None:
        """Refuses contradictory priors.

        Raises:
            ConfigError: Unequal numbers of specific priors, or a probability outside [0, 1].
        """
        if len(self.specific_means) != len(self.specific_stds):
            raise ConfigError(
                f"mixture has {len(self.specific_means)} specific_means and "
                f"{len(self.specific_stds)} specific_stds, expected as many of each."
            )
        _check_probability("mixture.specific_probability", self.specific_probability)


@dataclass(frozen=True, kw_only=True)
class BiasField:
    """Slow brightness change across a scan, as an uneven receive coil leaves it.

    Attributes:
        strength: Standard deviation of the log field at its nodes; 0 is off.
        scale: Nodes per voxel of the crop.
        probability: Chance that a channel has one.
    """

    strength: Uniform = Uniform(0.0, 0.7)
    scale: float = 0.025
    probability: float = 0.95

    def __post_init__(self) -> None:
        """Refuses impossible chances.

        Raises:
            ConfigError: The probability is outside [0, 1].
        """
        _check_probability("bias_field.probability", self.probability)


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """Slice spacing and thickness of the simulated scanner.

    Attributes:
        max_isotropic_mm: Largest spacing when all three axes are drawn.
        max_anisotropic_mm: Largest spacing when one axis is drawn and the others stay fine.
        isotropic_probability: Chance that all axes are drawn (each on its own, as the original
            does).
        native_probability: Chance that the spacing stays that of the label map.
        blur_jitter: Blur widths are multiplied by a factor between 1/this and this.
    """

    max_isotropic_mm: float = 4.0
    max_anisotropic_mm: float = 8.0
    isotropic_probability: float = 0.1
    native_probability: float = 0.05
    blur_jitter: float = 1.03

    def __post_init__(self) -> None:
        """Refuses impossible scanners.

        Raises:
            ConfigError: A probability outside [0, 1], a spacing not positive, or a jitter below 1.
        """
        _check_probability("acquisition.isotropic_probability", self.isotropic_probability)
        _check_probability("acquisition.native_probability", self.native_probability)
        for name in ("max_isotropic_mm", "max_anisotropic_mm"):
            if getattr(self, name) <= 0:
                raise ConfigError(
                    f"acquisition.{name} must be positive, got {getattr(self, name)}."
                )
        if self.blur_jitter < 1:
            raise ConfigError(
                f"acquisition.blur_jitter must be at least 1, got {self.blur_jitter}."
            )


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings:
    """The generative model; label maps and their table come from the store.

    Attributes:
        n_channels: Channels per image; they share the anatomy and differ in intensity and
            resolution.
        crop: Which part of the map.
        affine: Linear deformation.
        elastic: Non-linear deformation.
        flip_probability: Chance that left and right are exchanged.
        mixture: Intensities.
        bias_field: Slow brightness changes.
        clip: Intensities above are cut before normalisation, below 0 too.
        gamma_std: Standard deviation of the logarithm of the exponent applied to normalised
            intensities.
        acquisition: Resolution.

    References:
        Billot et al. 2023, doi:10.1016/j.media.2023.102789.
    """

    n_channels: int = 1
    crop: Crop = field(default_factory=Crop)
    affine: Affine = field(default_factory=Affine)
    elastic: Elastic = field(default_factory=Elastic)
    flip_probability: float = 0.5
    mixture: Mixture = field(default_factory=Mixture)
    bias_field: BiasField = field(default_factory=BiasField)
    clip: float = 300.0
    gamma_std: float = 0.5
    acquisition: Acquisition = field(default_factory=Acquisition)

    def __post_init__(self) -> None:
        """Refuses settings out of range.

        Raises:
            ConfigError: The flip probability is outside [0, 1] or there is no channel.
        """
        _check_probability("flip_probability", self.flip_probability)
        if self.n_channels < 1:
            raise ConfigError(f"n_channels must be at least 1, got {self.n_channels}.")


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} must lie between 0 and 1, got {value}.")


def generator_settings(
    values: Mapping[str, Any], base: GeneratorSettings | None = None
) -> GeneratorSettings:
    """Settings from the nested mapping that a YAML or JSON file holds, over those of `base`.

    Intervals are written `[low, high]`; one interval for three axes stands for all of them.

    Raises:
        ConfigError: A setting is unknown or unfit; the message names it.
    """
    return read_settings(base or GeneratorSettings(), values, "generator")


def read_settings(base: Settings, values: Any, path: str) -> Settings:
    """Settings of any kind from the nested mapping that a file holds, over those of `base`.

    Args:
        base: A dataclass; its own settings groups are dataclasses too.
        values: Names and values; those not named keep the value of `base`.
        path: Where the mapping stands in the file, for errors.

    Raises:
        ConfigError: A setting is unknown or unfit; the message names it.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} must be a group of settings, got {values!r}.")
    hints = get_type_hints(type(base))
    known = {f.name for f in fields(base)}  # type: ignore[arg-type]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise ConfigError(
            f"unknown setting {path}.{unknown[0]}; {path} has {', '.join(sorted(known))}."
        )
    changes = {
        key: read_settings(getattr(base, key), value, f"{path}.{key}")
        if is_dataclass(getattr(base, key)) and not isinstance(getattr(base, key), Uniform | Prior)
        else _parse(hints[key], value, f"{path}.{key}")
        for key, value in values.items()
    }
    return _replaced(base, changes, path)


def _replaced(base: Settings, changes: Mapping[str, Any], path: str) -> Settings:
    try:
        return replace(base, **changes)  # type: ignore[type-var]
    except TypeError as error:
        raise ConfigError(f"{path}: {error}.") from error


def _parse(kind: Any, value: Any, path: str) -> Any:
    try:
        return _convert(kind, value)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: cannot read {value!r} ({error}).") from error


def _convert(kind: Any, value: Any) -> Any:
    if kind is Uniform:
        low, high = value
        return Uniform(float(low), float(high))
    if kind == PerAxis and not isinstance(value[0], list | tuple):
        return _each_axis(_convert(Uniform, value))
    if kind is Prior:
        rows = tuple((float(a), float(b)) for a, b in value["rows"])
        return Prior(distribution=value.get("distribution", "uniform"), rows=rows)
    if get_origin(kind) is Literal:
        return value
    if get_origin(kind) is UnionType:
        inner = [k for k in get_args(kind) if k is not NoneType]
        return None if value is None else _convert(inner[0], value)
    if get_origin(kind) is tuple:
        entries = get_args(kind)
        kinds = [entries[0]] * len(value) if entries[-1] is Ellipsis else entries
        return tuple(_convert(k, v) for k, v in zip(kinds, value, strict=True))
    if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ConfigError(f"expected a number, got {value!r}.")
    if kind is int and value != int(value):
        raise ConfigError(f"expected a whole number, got {value!r}.")
    if kind is bool and not isinstance(value, bool):
        raise ConfigError(f"expected true or false, got {value!r}.")
    if kind in (str, Path) and not isinstance(value, str | Path):
        raise ConfigError(f"expected text, got {value!r}.")
    return kind(value)

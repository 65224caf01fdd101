"""From the nested mapping that a file holds to settings. Importing this loads nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.intensity import Prior
from synthseg_generator.settings.ranges import PerAxis, PerTerm, Shape, Triple, Uniform
from synthseg_generator.settings.short_forms import (
    bounds_from,
    intervals,
    is_number,
    prior_from,
    priors_from,
    rows_of_three,
)

Settings = TypeVar("Settings")

_EXPONENTIAL = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
# Dataclasses that are one value in a file, not a group of settings.
_VALUES = (Uniform, Prior)


class SettingsError(ConfigError):
    """Several settings are wrong, a line each.

    Attributes:
        complaints: What is wrong.
    """

    def __init__(self, complaints: Sequence[str]) -> None:
        self.complaints = tuple(complaints)
        lines = "\n".join(f"  {complaint}" for complaint in complaints)
        super().__init__(f"{len(complaints)} settings are wrong:\n{lines}")

    def __reduce__(self) -> tuple[type[SettingsError], tuple[tuple[str, ...]]]:
        return type(self), (self.complaints,)


@contextmanager
def complained(errors: list[ValueError]) -> Iterator[None]:
    """Adds what is wrong with a group of settings to a list, and goes on with the next."""
    try:
        yield
    except SettingsError as error:
        errors += map(ConfigError, error.complaints)
    except ValueError as error:  # as the errors of all packages about their settings are
        errors.append(error)


def raise_complaints(errors: Sequence[ValueError]) -> None:
    """Raises what is wrong with settings, if anything is.

    Raises:
        ValueError: The one error there is.
        SettingsError: Several.
    """
    if len(errors) > 1:
        raise SettingsError([str(error) for error in errors]) from errors[0]
    if errors:
        raise errors[0]


def read_settings(base: Settings, values: Any, path: str) -> Settings:
    """Settings of any kind from the nested mapping that a file holds, over those of `base`.

    Args:
        base: A dataclass; its own settings groups are dataclasses too.
        values: Names and values; those not named keep the value of `base`.
        path: Where the mapping stands in the file, for errors.

    Raises:
        ConfigError: Settings are unknown or unfit; the message names all of them.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} must be a group of settings, got {values!r}.")
    hints = get_type_hints(type(base))
    known = {f.name: f for f in fields(base)}  # type: ignore[arg-type]
    errors: list[ValueError] = []
    inner: list[ValueError] = []
    changes: dict[str, Any] = {}
    if unknown := [f"{path}.{key}" for key in values if key not in known]:
        errors.append(_unknown(unknown, path, sorted(known)))
    for key, value in values.items():
        if key in known and _is_group(getattr(base, key)):
            with complained(inner):
                changes[key] = read_settings(getattr(base, key), value, f"{path}.{key}")
        elif key in known:
            with complained(errors):
                changes[key] = _parse(hints[key], known[key], value, f"{path}.{key}")
    changed = base
    if not errors:  # else this group may contradict itself for what it lacks
        with complained(errors):
            changed = _replaced(base, changes, path)
    raise_complaints([*errors, *inner])
    return changed


def _is_group(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, _VALUES)


def _unknown(names: Sequence[str], path: str, known: Sequence[str]) -> ConfigError:
    settings = "setting" if len(names) == 1 else "settings"
    return ConfigError(f"unknown {settings} {', '.join(names)}; {path} has {', '.join(known)}.")


def _replaced(base: Settings, changes: Mapping[str, Any], path: str) -> Settings:
    try:
        return replace(base, **changes)  # type: ignore[type-var]
    except TypeError as error:
        raise ConfigError(f"{path}: {error}.") from error


def _parse(kind: Any, setting: Field[Any], value: Any, path: str) -> Any:
    try:
        return _convert(kind, _spelled_out(kind, setting, value))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ConfigError(f"{path}: cannot read {value!r} ({error}).") from error


def _spelled_out(kind: Any, setting: Field[Any], value: Any) -> Any:
    """The full form of what a file may write shorter."""
    hints = setting.metadata
    if "names" in hints and isinstance(value, str):
        if value not in hints["names"]:
            raise ConfigError(f"expected a list or one of {', '.join(hints['names'])}.")
        return hints["names"][value]
    if kind in (PerAxis, PerTerm):
        return intervals(value, len(get_args(kind)), hints["centre"])
    if kind is Uniform and "low" in hints:
        return bounds_from(value, hints["low"])
    if kind == tuple[Triple, ...]:
        return rows_of_three(value)
    if kind in (Triple, Shape, Triple | None, Shape | None) and is_number(value):
        return [value] * 3
    if kind == tuple[tuple[str, float], ...] and isinstance(value, Mapping):
        return list(value.items())
    if kind == tuple[Prior, ...]:
        return priors_from(value)
    return value


def _convert(kind: Any, value: Any) -> Any:
    if isinstance(value, kind if isinstance(kind, type) and kind in _VALUES else ()):
        return value
    if kind is Uniform:
        return _uniform(value)
    if kind is Prior:
        return prior_from(value)
    if get_origin(kind) is Literal:
        return value
    if get_origin(kind) is UnionType:
        inner = [k for k in get_args(kind) if k is not NoneType]
        return None if value is None else _convert(inner[0], value)
    if get_origin(kind) is tuple:
        if isinstance(value, Mapping | str):
            raise ConfigError(f"expected a list, got {value!r}.")
        entries = get_args(kind)
        kinds = [entries[0]] * len(value) if entries[-1] is Ellipsis else entries
        return tuple(_convert(k, v) for k, v in zip(kinds, value, strict=True))
    return _plain(kind, value)


def _uniform(value: Any) -> Uniform:
    # JSON of a dataclass, as checkpoints hold it, names the bounds.
    low, high = (value["low"], value["high"]) if isinstance(value, Mapping) else value
    return Uniform(_plain(float, low), _plain(float, high))


def _is_exponential(value: Any) -> bool:
    """Whether it was meant for a number, which YAML takes for text without a point and a sign."""
    return isinstance(value, str) and bool(_EXPONENTIAL.fullmatch(value))


def _plain(kind: Any, value: Any) -> Any:
    if kind in (int, float) and not is_number(value):
        hint = " YAML knows exponents as in 1.0e-4 alone." if _is_exponential(value) else ""
        raise ConfigError(f"expected a number, got {value!r}.{hint}")
    if kind is int and value != int(value):
        raise ConfigError(f"expected a whole number, got {value!r}.")
    if kind is bool and not isinstance(value, bool):
        raise ConfigError(f"expected true or false, got {value!r}.")
    if kind in (str, Path) and not isinstance(value, str | Path):
        raise ConfigError(f"expected text, got {value!r}.")
    return kind(value)

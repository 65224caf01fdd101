"""Settings from what a file holds and back, by cattrs.

cattrs finds the fields and their types, refuses unknown ones and collects what is wrong with all
of them; what is here is the notation of our files: short forms, and words for what does not fit.
Importing this module imports cattrs; `reading` does when it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal, get_args, get_origin

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.intensity import Prior
from synthseg_generator.settings.prior_forms import spell_prior, spell_priors
from synthseg_generator.settings.ranges import Shape, Triple, Uniform
from synthseg_generator.settings.short_forms import (
    SHORT_FORM,
    ShortForm,
    pairs_from,
    rows_of_three,
    triple_from,
)

# What cattrs hands about: a value of a file, and the type that it shall be; the result is of that.
_Hook = Callable[[Any, Any], Any]

_EXPONENTIAL = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
_SHORT_FORMS_OF_TYPES: dict[object, ShortForm] = {
    Triple: triple_from,
    Shape: triple_from,
    tuple[Triple, ...]: rows_of_three,
    tuple[tuple[str, float], ...]: pairs_from,
    tuple[Prior, ...]: spell_priors,
}


class NoGroupError(ConfigError):
    """A value stands where a group of settings is expected."""


def is_group(kind: object) -> bool:
    """Whether a class is a group of settings; some dataclasses are one value in a file."""
    return isinstance(kind, type) and is_dataclass(kind) and kind not in (Uniform, Prior)


def _make_converter() -> Converter:
    converter = Converter(unstruct_collection_overrides={tuple: list})
    converter.register_structure_hook(bool, _read_bool)
    converter.register_structure_hook(int, _read_whole_number)
    converter.register_structure_hook(float, _read_number)
    converter.register_structure_hook(str, _read_text)
    # What is none of the choices is told by the settings class, which Python code meets too.
    converter.register_structure_hook_func(
        lambda kind: _origin_of(kind) is Literal, lambda value, _: value
    )
    converter.register_structure_hook_factory(
        lambda kind: _origin_of(kind) is tuple, lambda kind: _make_tuple_hook(kind, converter)
    )
    converter.register_structure_hook_factory(
        is_group, lambda kind: _make_group_hook(kind, converter)
    )
    converter.register_structure_hook(Uniform, lambda value, _: _read_uniform(value, converter))
    converter.register_structure_hook(Prior, lambda value, _: _read_prior(value, converter))
    converter.register_unstructure_hook(Uniform, lambda interval: [interval.low, interval.high])
    return converter


def _origin_of(kind: object) -> object:
    return get_origin(kind)


def _make_group_hook(kind: type[Any], converter: Converter) -> _Hook:
    """Reads a group; a field with a short form may be written so."""

    def in_short(form: ShortForm) -> _Hook:
        return lambda value, inner: converter.structure(form(value), inner)

    forms = {f.name: f.metadata[SHORT_FORM] for f in fields(kind) if SHORT_FORM in f.metadata}
    hooks: dict[str, Any] = {name: override(struct_hook=in_short(f)) for name, f in forms.items()}
    read: _Hook = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, **hooks)

    def read_group(value: Any, inner: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise NoGroupError(f"must be a group of settings, got {value!r}.")
        return read(value, inner)

    return read_group


def _make_tuple_hook(kind: Any, converter: Converter) -> _Hook:
    """Reads a list; where it may be of any length, cattrs tells the number of a wrong entry."""
    entries = get_args(kind)
    alike: Any = GenericAlias(list, entries[:1])
    spell_out = _SHORT_FORMS_OF_TYPES.get(kind, _keep)

    def read_tuple(value: object, _: object) -> tuple[Any, ...]:
        value = spell_out(value)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ConfigError(f"expected a list, got {value!r}.")
        if entries[-1] is Ellipsis:
            return tuple(converter.structure(value, alike))
        if len(value) != len(entries):
            raise ConfigError(f"expected {len(entries)} entries, got {value!r}.")
        return tuple(converter.structure(v, k) for v, k in zip(value, entries, strict=True))

    return read_tuple


def _keep(value: object) -> object:
    return value


def _read_uniform(value: object, converter: Converter) -> Uniform:
    if isinstance(value, Uniform):
        return value
    # JSON of a dataclass, as checkpoints hold it, names the bounds.
    bounds = value
    if isinstance(value, Mapping):
        bounds = [value[name] for name in ("low", "high") if name in value]
    if isinstance(bounds, str) or not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise ConfigError(f"expected [low, high], got {value!r}.")
    low, high = (converter.structure(bound, float) for bound in bounds)
    return Uniform(low, high)


def _read_prior(value: object, converter: Converter) -> Prior:
    if isinstance(value, Prior):
        return value
    distribution, rows = spell_prior(value)
    return Prior(
        distribution=distribution,  # type: ignore[arg-type]  # `Prior` refuses what is none
        rows=converter.structure(rows, tuple[tuple[float, float], ...]),
    )


def _read_number(value: object, _: object = None) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        # YAML takes 1e-4, without a point, for text.
        meant = isinstance(value, str) and _EXPONENTIAL.fullmatch(value)
        hint = " YAML knows exponents as in 1.0e-4 alone." if meant else ""
        raise ConfigError(f"expected a number, got {value!r}.{hint}")
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigError(f"expected a number below 1.8e308, got one larger ({error}).") from error


def _read_whole_number(value: object, _: object) -> int:
    number = _read_number(value)
    if not number.is_integer():
        raise ConfigError(f"expected a whole number, got {value!r}.")
    return value if isinstance(value, int) else int(number)


def _read_bool(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"expected true or false, got {value!r}.")
    return value


def _read_text(value: object, _: object) -> str:
    if not isinstance(value, str | Path):
        raise ConfigError(f"expected text, got {value!r}.")
    return str(value)


CONVERTER = _make_converter()
"""The one converter of settings: made once, since it writes code for every class that it meets."""

"""What a settings file may write shorter than the settings themselves are.

A field of a settings class names its own short form in its metadata, under `SHORT_FORM`; those of
a type (one length for three) are the converter's. Importing this module loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from synthseg_generator.errors import ConfigError

SHORT_FORM = "short_form"
"""Key of a field's metadata: a function from what a file holds to the full form."""
ShortForm = Callable[[object], object]


def is_number(value: object) -> bool:
    """Whether a value from a file is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_off(value: object) -> bool:
    """Whether a value from a file switches something off: `false`, `off`, `null`."""
    return value is None or value is False


def around(centre: float, count: int) -> dict[str, ShortForm]:
    """Metadata of `count` intervals about a neutral value, see `intervals`."""
    return {SHORT_FORM: partial(intervals, count=count, centre=centre)}


def at_least(low: float) -> dict[str, ShortForm]:
    """Metadata of an interval whose upper bound may stand alone, see `bounds_from`."""
    return {SHORT_FORM: partial(bounds_from, low=low)}


def one_of(named: Mapping[str, object]) -> dict[str, ShortForm]:
    """Metadata of a list that may be given by name."""
    return {SHORT_FORM: partial(_look_up, named=named)}


def entries_or_off() -> dict[str, ShortForm]:
    """Metadata of a list that `false` empties."""
    return {SHORT_FORM: lambda value: [] if is_off(value) else value}


def _look_up(value: object, named: Mapping[str, object]) -> object:
    if not isinstance(value, str):
        return value
    if value not in named:
        raise ConfigError(f"expected a list or one of {', '.join(named)}, got {value!r}.")
    return named[value]


def bounds_from(value: object, low: float) -> object:
    """A pair of bounds from a pair, an upper bound alone, or "off".

    Raises:
        ConfigError: The upper bound lies below the lower one.
    """
    if is_off(value):
        return [low, low]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if value < low:
        raise ConfigError(f"expected a bound of at least {low:g}, got {value}.")
    return [low, value]


def intervals(value: object, count: int, centre: float) -> list[object]:
    """As many intervals as a transform has axes or terms.

    Args:
        value: `[low, high]` or a bound b (b around the neutral value) for all of them, a list with
            one of either for each, or "off".
        count: How many.
        centre: The neutral value.

    Raises:
        ConfigError: It is none of these.
    """
    if is_off(value) or is_number(value) or isinstance(value, Mapping):
        return [_interval(value, centre)] * count
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) == 2 and all(is_number(bound) for bound in value):
            return [list(value)] * count
        if len(value) == count:
            return [_interval(entry, centre) for entry in value]
    raise ConfigError(
        f"expected [low, high], a bound, false for off, or a list of {count} of these, "
        f"got {value!r}."
    )


def _interval(value: object, centre: float) -> object:
    if is_off(value):
        return [centre, centre]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if value < 0:
        raise ConfigError(f"expected a bound of at least 0, got {value}.")
    return [centre - value, centre + value]


def triple_from(value: object) -> object:
    """Three lengths from three, or from one."""
    return [value] * 3 if is_number(value) else value


def rows_of_three(value: object) -> object:
    """Rows of three lengths from such rows, one row, one length, or "off" for none.

    Raises:
        ConfigError: It is a row of more or fewer lengths.
    """
    if is_off(value):
        return []
    if is_number(value):
        return [[value] * 3]
    if isinstance(value, Sequence) and any(is_number(entry) for entry in value):
        if len(value) == 3 and all(is_number(entry) for entry in value):
            return [value]
        raise ConfigError(f"expected one length, three, or rows of three, got {value!r}.")
    return value


def pairs_from(value: object) -> object:
    """Pairs from such pairs, or from a mapping."""
    return list(value.items()) if isinstance(value, Mapping) else value

"""What a settings file may write shorter than settings hold it. Importing it loads NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.intensity import Prior


def is_number(value: Any) -> bool:
    """Whether a value from a file is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_off(value: Any) -> bool:
    """Whether a value from a file switches something off: `false`, `off`, `null`."""
    return value is None or value is False


def bounds_from(value: Any, low: float) -> Any:
    """A pair of bounds from a pair, an upper bound alone, or "off".

    Raises:
        ConfigError: The upper bound lies below the lower one.
    """
    if is_off(value):
        return [low, low]
    if not is_number(value):
        return value
    if value < low:
        raise ConfigError(f"expected a bound of at least {low:g}, got {value}.")
    return [low, value]


def intervals(value: Any, count: int, centre: float) -> list[Any]:
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


def _interval(value: Any, centre: float) -> Any:
    if is_off(value):
        return [centre, centre]
    if not is_number(value):
        return value
    if value < 0:
        raise ConfigError(f"expected a bound of at least 0, got {value}.")
    return [centre - value, centre + value]


def rows_of_three(value: Any) -> Any:
    """Rows of three lengths from such rows, one row, one length, or "off" for none."""
    if is_off(value):
        return []
    if is_number(value):
        return [[value] * 3]
    if isinstance(value, Sequence) and len(value) == 3 and all(is_number(n) for n in value):
        return [value]
    return value


def prior_from(value: Any) -> Prior:
    """One prior from `[first, second]`, from its mapping, or from a file.

    Raises:
        ConfigError: It is none of these, or the file holds several.
    """
    if not isinstance(value, Mapping):
        return _prior([value], "uniform")
    if "file" not in value:
        _check_keys(value, "rows")
        return _prior(value["rows"], value.get("distribution", "uniform"))
    priors = priors_from(value)
    if len(priors) != 1:
        raise ConfigError(f"{value['file']} holds {len(priors)} priors, expected one.")
    return priors[0]


def priors_from(value: Any) -> Any:
    """Several priors from a file of the original's layout: two rows each, one column per class.

    Anything but `{file: ..., distribution: ...}` comes back as it is.

    Raises:
        ConfigError: The file cannot be read or holds something else.
    """
    if is_off(value):
        return ()
    if not isinstance(value, Mapping):
        return value
    _check_keys(value, "file")
    path = Path(value["file"])
    try:
        with path.open("rb") as file:
            table = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{path} is no readable NumPy array: {error}") from error
    if table.ndim != 2 or len(table) % 2 or not len(table):
        raise ConfigError(
            f"{path} has shape {table.shape}, expected two rows per prior, one column per class."
        )
    blocks = table.reshape(-1, 2, table.shape[1]).astype(float)
    distribution = value.get("distribution", "uniform")
    return tuple(_prior(block.T.tolist(), distribution) for block in blocks)


def _check_keys(value: Mapping[str, Any], needed: str) -> None:
    allowed = {"distribution", needed}
    unknown = sorted(set(value) - allowed)
    if unknown or needed not in value:
        what = f"unknown {unknown[0]}" if unknown else f"no {needed}"
        raise ConfigError(f"a prior has {' and '.join(sorted(allowed))}, found {what}.")


def _prior(rows: Any, distribution: Any) -> Prior:
    pairs = []
    for row in rows:
        first, second = row
        if not (is_number(first) and is_number(second)):
            raise ConfigError(f"a prior needs pairs of numbers, got {row}.")
        pairs.append((float(first), float(second)))
    return Prior(distribution=distribution, rows=tuple(pairs))

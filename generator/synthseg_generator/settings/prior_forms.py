"""Priors as a settings file writes them: a pair, a mapping, or an array of the original's layout.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.short_forms import is_off


def spell_prior(value: object) -> tuple[object, object]:
    """Distribution and rows of one prior: from its mapping, from `[first, second]`, from a file.

    Raises:
        ConfigError: It is none of these, or the file holds several.
    """
    if isinstance(value, Mapping):
        if "file" in value:
            priors = _read_priors(value)
            if len(priors) != 1:
                raise ConfigError(f"{value['file']} holds {len(priors)} priors, expected one.")
            value = priors[0]
        _check_keys(value, "rows")
        return value.get("distribution", "uniform"), value["rows"]
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ConfigError(f"expected a pair of numbers for a prior, got {value!r}.")
    return "uniform", [value]


def spell_priors(value: object) -> object:
    """Several priors from a file of the original's layout: two rows each, one column per class.

    Anything but `{file: ..., distribution: ...}` and "off" comes back as it is.

    Raises:
        ConfigError: The file cannot be read or holds something else.
    """
    if is_off(value):
        return []
    return _read_priors(value) if isinstance(value, Mapping) else value


def _read_priors(value: Mapping[str, object]) -> list[Mapping[str, object]]:
    _check_keys(value, "file")
    path = Path(str(value["file"]))
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
    return [{"distribution": distribution, "rows": block.T.tolist()} for block in blocks]


def _check_keys(value: Mapping[str, object], needed: str) -> None:
    allowed = {"distribution", needed}
    unknown = sorted(set(value) - allowed, key=str)
    if unknown or needed not in value:
        what = f"unknown {unknown[0]}" if unknown else f"no {needed}"
        raise ConfigError(f"expected {' and '.join(sorted(allowed))} for a prior, found {what}.")

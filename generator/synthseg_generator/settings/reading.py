"""From the nested mapping that a file holds to settings. Importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TypeVar

from synthseg_generator.errors import ConfigError

Settings = TypeVar("Settings")


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
    if errors:
        raise _sum_up(errors) from (errors[0].__cause__ if len(errors) == 1 else errors[0])


def _sum_up(errors: Sequence[ValueError]) -> ValueError:
    return errors[0] if len(errors) == 1 else SettingsError([str(error) for error in errors])


def read_settings(base: Settings, values: object, path: str) -> Settings:
    """Settings of any kind from the nested mapping that a file holds, over those of `base`.

    Args:
        base: A dataclass; its own settings groups are dataclasses too.
        values: Names and values; those not named keep the value of `base`.
        path: Where the mapping stands in the file, for errors.

    Raises:
        ConfigError: Settings are unknown or unfit; the message names all of them.
    """
    # Commands that read no settings need not wait for cattrs.
    from cattrs import ClassValidationError

    from synthseg_generator.settings.converter import CONVERTER
    from synthseg_generator.settings.refusals import find_unfit_groups, tell_complaints

    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} must be a group of settings, got {values!r}.")
    try:
        return CONVERTER.structure(_lay_over(base, values), type(base))
    except ClassValidationError as refusal:
        errors = [*tell_complaints(refusal, path)]
        unfit = find_unfit_groups(refusal)
    if unfit:
        # What is well in itself may still contradict the rest: that is told in the same breath.
        with complained(errors):
            read_settings(base, {k: v for k, v in values.items() if k not in unfit}, path)
    raise _sum_up(errors)


def _lay_over(base: object, values: object) -> object:
    """The settings of `base` by name, with those of a file in their place."""
    from synthseg_generator.settings.converter import is_group

    if not (is_dataclass(base) and is_group(type(base)) and isinstance(values, Mapping)):
        return values
    kept = {f.name: getattr(base, f.name) for f in fields(base)}
    return kept | {key: _lay_over(kept.get(key), value) for key, value in values.items()}

"""What cattrs refused, in the words of our errors. Importing this module imports cattrs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from cattrs import ClassValidationError, IterableValidationError
from cattrs.errors import ForbiddenExtraKeysError

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.converter import NoGroupError

Refusal = ClassValidationError | IterableValidationError
"""What cattrs raises of a group of settings, and of a list; it holds what is wrong inside."""


def tell_complaints(refusal: Refusal, path: str) -> Iterator[ValueError]:
    """What is wrong, each with its place in the file.

    What a settings class says of itself names its settings already, and comes as it is.
    """
    inside, of_itself = _split(refusal, path)
    for error in of_itself:
        if isinstance(error, ForbiddenExtraKeysError):
            yield _name_unknown(error, path)
        else:
            yield error if isinstance(error, ValueError) else ConfigError(f"{path}: {error}.")
    for place, error in inside:
        if isinstance(error, ClassValidationError | IterableValidationError):
            yield from tell_complaints(error, place)
        elif isinstance(error, KeyError):
            yield ConfigError(f"{place} is missing.")
        else:
            yield ConfigError(f"{place}{' ' if isinstance(error, NoGroupError) else ': '}{error}")


def find_unfit_groups(refusal: Refusal) -> set[str]:
    """Names of the groups of settings that are unfit; none if anything else is too."""
    inside, of_itself = _split(refusal, "")
    groups = {place for place, error in inside if isinstance(error, ClassValidationError)}
    return groups if len(groups) == len(inside) and not of_itself else set()


def _split(refusal: Refusal, path: str) -> tuple[list[tuple[str, Exception]], list[Exception]]:
    """What is wrong inside, with its places, and what is wrong with the whole."""
    if isinstance(refusal, ClassValidationError):
        named, of_itself = refusal.group_exceptions()
        start = f"{path}." if path else ""
        return [(start + note.name, error) for error, note in named], of_itself
    numbered, of_itself = refusal.group_exceptions()
    # One list is one setting: its first wrong entry stands for all.
    return [(f"{path}[{note.index}]", error) for error, note in numbered[:1]], of_itself


def _name_unknown(error: ForbiddenExtraKeysError, path: str) -> ConfigError:
    unknown = [f"{path}.{key}" for key in sorted(error.extra_fields, key=str)]
    known = ", ".join(sorted(f.name for f in fields(error.cl)))
    settings = "setting" if len(unknown) == 1 else "settings"
    return ConfigError(f"unknown {settings} {', '.join(unknown)}; {path} has {known}.")

"""Options of commands that belong together, as one frozen object each.

    @dataclass(frozen=True, kw_only=True)
    class Pace:
        jobs: int = option("--jobs", type=click.IntRange(1), default=2, help="Scans at once.")

    @main.command()
    @with_options(Pace)
    def run(pace: Pace) -> None: ...

An option is one line in one place: its flag, type, default and help stand at the field that holds
its value. Whoever builds such an object without click gets the same defaults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

Answer = TypeVar("Answer")
_OPTION = "click option"


def option(*flags: str, **settings: Any) -> Any:
    """A field that an option of a command fills.

    Args:
        flags: As `click.option` takes them, without the name of the field.
        settings: The same: `type`, `help`, `is_flag`, ...
    """
    metadata = {_OPTION: (flags, settings)}
    if settings.get("required"):
        return dataclasses.field(metadata=metadata)
    without = False if settings.get("is_flag") else () if settings.get("multiple") else None
    return dataclasses.field(default=settings.get("default", without), metadata=metadata)


def with_options(
    group: type[Any], name: str = ""
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Gives a command the options of a group, whose values come as one object.

    Args:
        group: A dataclass all of whose fields are made by `option`.
        name: Of the command's parameter; by default that of the group in lower case.
    """
    parameter = name or group.__name__.lower()
    fields = dataclasses.fields(group)

    def decorate(command: Callable[..., Answer]) -> Callable[..., Answer]:
        @wraps(command)
        def gathering(**given: Any) -> Answer:
            values = {field.name: given.pop(field.name) for field in fields}
            return command(**given, **{parameter: group(**values)})

        decorated: Callable[..., Answer] = gathering
        for field in reversed(fields):
            flags, settings = field.metadata[_OPTION]
            decorated = click.option(*flags, field.name, **settings)(decorated)
        return decorated

    return decorate

"""Options and arguments of commands that belong together, as one frozen object each.

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
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import click

Answer = TypeVar("Answer")
Command = Callable[..., Answer]
_PARAMETER = "click parameter"


def option(*flags: str, **settings: Any) -> Any:
    """A field that an option of a command fills.

    Args:
        flags: As `click.option` takes them, without the name of the field.
        settings: The same: `type`, `help`, `is_flag`, ...
    """
    metadata = {_PARAMETER: lambda field: click.option(*flags, field, **settings)}
    if settings.get("required"):
        return dataclasses.field(metadata=metadata)
    without = False if settings.get("is_flag") else () if settings.get("multiple") else None
    return dataclasses.field(default=settings.get("default", without), metadata=metadata)


def argument(*, required: bool = True, **settings: Any) -> Any:
    """A field that an argument of a command fills; it is called after the field.

    Args:
        required: Whether the argument has to be given; else the field is `None` without it.
        settings: As `click.argument` takes them: `type`, `metavar`, ...
    """
    metadata = {_PARAMETER: lambda field: click.argument(field, required=required, **settings)}
    if required:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=None, metadata=metadata)


def with_options(
    group: type[Any], name: str = "", *, leave_out: Sequence[str] = ()
) -> Callable[[Command[Answer]], Command[Answer]]:
    """Gives a command the options and arguments of a group, whose values come as one object.

    Args:
        group: A dataclass all of whose fields are made by `option` or `argument`.
        name: Of the command's parameter; by default that of the group in lower case.
        leave_out: Fields that this command does not offer; they keep their defaults.
    """
    parameter = name or group.__name__.lower()
    fields = [field for field in dataclasses.fields(group) if field.name not in leave_out]

    def decorate(command: Command[Answer]) -> Command[Answer]:
        @wraps(command)
        def gathering(**given: Any) -> Answer:
            values = {field.name: given.pop(field.name) for field in fields}
            return command(**given, **{parameter: group(**values)})

        decorated: Command[Answer] = gathering
        for field in reversed(fields):
            decorated = field.metadata[_PARAMETER](field.name)(decorated)
        return decorated

    return decorate

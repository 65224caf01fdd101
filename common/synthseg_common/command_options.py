"""A command's options as one object: what click hands over by name becomes a frozen dataclass."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

Options = TypeVar("Options")
Answer = TypeVar("Answer")


def takes(kind: type[Options]) -> Callable[[Callable[[Options], Answer]], Callable[..., Answer]]:
    """Lets a command take its options as one object.

    It stands below click's own decorators, which find the parameters by these names:

        @main.command()
        @click.option("--jobs", default=1)
        @takes(EvaluateOptions)
        def evaluate(options: EvaluateOptions) -> None: ...

    Args:
        kind: A frozen dataclass with a field for every argument and option of the command.
    """

    def decorate(command: Callable[[Options], Answer]) -> Callable[..., Answer]:
        @wraps(command)
        def called_by_click(**given: object) -> Answer:
            return command(kind(**given))

        return called_by_click

    return decorate

"""Options that take several values in a row, as the original command's do."""

from __future__ import annotations

from typing import Any

import click

_JOINED = ","


class VariadicCommand(click.Command):
    """A command with options that any number of values may follow: `--crop 40 64 80`.

    A `multiple` option gets each value by itself; any other gets them joined by commas.
    """

    def __init__(self, *args: Any, variadic: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._variadic = variadic

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spreads or joins the values before click sees them."""
        return super().parse_args(ctx, self._rewritten(args))

    def _rewritten(self, args: list[str]) -> list[str]:
        rewritten: list[str] = []
        position = 0
        while position < len(args):
            flag = args[position]
            position += 1
            rewritten.append(flag)
            if flag not in self._variadic:
                continue
            values = []
            while position < len(args) and not args[position].startswith("-"):
                values.append(args[position])
                position += 1
            if self._is_multiple(flag):
                rewritten[-1:] = [word for value in values for word in (flag, value)] or [flag]
            elif values:
                rewritten.append(_JOINED.join(values))
        return rewritten

    def _is_multiple(self, flag: str) -> bool:
        return any(
            flag in parameter.opts and getattr(parameter, "multiple", False)
            for parameter in self.params
        )

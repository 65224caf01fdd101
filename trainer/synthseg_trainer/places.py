"""Where a run or a network lies: a path here, or a URL of object storage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import click
from synthseg_common.object_storage import is_url

Place: TypeAlias = Path | str
"""A path, or the text of a URL, which as a path would lose one of its slashes."""


def read_place(text: str | os.PathLike[str]) -> Place:
    """A URL as it is, anything else as a path."""
    return str(text) if is_url(text) else Path(text)


class PlaceType(click.ParamType):
    """An option or argument that takes both."""

    name = "path or url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `read_place`."""
        return read_place(value)


PLACE = PlaceType()

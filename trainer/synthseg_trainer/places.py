"""Where a run or a network lies: a path here, or a URL of object storage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from click.types import FuncParamType
from synthseg_common.object_storage import is_url

Place: TypeAlias = Path | str
"""A path, or the text of a URL, which as a path would lose one of its slashes."""


def read_place(text: str | os.PathLike[str]) -> Place:
    """A URL as it is, anything else as a path."""
    return str(text) if is_url(text) else Path(text)


PLACE = FuncParamType(read_place)
"""The type of an option or argument that takes both."""
PLACE.name = "path or url"

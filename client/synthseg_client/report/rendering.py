"""Templates to pages: all that is put into them is escaped, for file names may be hostile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2

from synthseg_client import __version__

_HERE = Path(__file__).parent
ASSETS = _HERE / "assets"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, root: str, values: Mapping[str, object]) -> str:
    """A page.

    Args:
        template: Its name.
        root: Way from the page to the report's folder, with a slash; empty for there.
        values: What it says.
    """
    return _environment().get_template(template).render(root=root, version=__version__, **values)


def as_bytes(page: str) -> bytes:
    """UTF-8; bytes of file names that are no text are shown as such."""
    return page.encode("utf-8", errors="backslashreplace")

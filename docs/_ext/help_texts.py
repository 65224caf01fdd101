"""Help texts of commands are plain text; sphinx-click reads them as reStructuredText."""

from __future__ import annotations

import re

import click
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

# What sphinx-click itself writes in bold stays.
_STAR = re.compile(r"(\*\*Required\*\*)|\*")


def escape_stars(_app: Sphinx, _context: click.Context, lines: list[str]) -> None:
    """Keeps the stars of file name patterns, which would begin bold text."""
    for index, line in enumerate(lines):
        if not line.lstrip().startswith(".. "):
            lines[index] = _STAR.sub(lambda found: found[1] or r"\*", line)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    for part in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{part}", escape_stars)
    return {"parallel_read_safe": True}

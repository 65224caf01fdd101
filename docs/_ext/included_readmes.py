"""Links of a README that a page includes: they start from the folder where the README lies."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

PAGES = {
    "examples/own_anatomy/README.md": "/tutorials/own-anatomy.md",
    "k8s/README.md": "/how-to/deploy.md#kubernetes",
    "serving/synthseg_serving/tf_serving/README.md": "/reference/tf-serving.md",
    "serving/synthseg_serving/weights/README.md": "/explanation/figures.md#the-shipped-models",
}
"""Where each README of the repository stands among these pages."""
_LINK = re.compile(r"\]\((?!\w+:|[#/])([^)#]+)[^)]*\)")


def redirect_links(app: Sphinx, path: Path, _page: str, content: list[str]) -> None:
    """Points relative links at the pages that hold their targets, or else at the files."""
    repository = Path(app.srcdir).parent
    folder = (Path(app.srcdir) / path).resolve().parent

    def target(found: re.Match[str]) -> str:
        file = os.path.normpath(folder / found[1])
        name = os.path.relpath(file, repository)
        return f"]({PAGES.get(name, f'/../{name}')})"

    content[0] = _LINK.sub(target, content[0])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.connect("include-read", redirect_links)
    return {"parallel_read_safe": True}

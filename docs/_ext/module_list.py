"""The directive `module-list`: the modules of a package, by room, with a line of each docstring."""

from __future__ import annotations

import ast
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

GENERATED = "_pb2"


class ModuleList(SphinxDirective):
    """A table per folder of a package.

    The argument is the folder that holds the package, from the repository's root:
    `.. module-list:: client/synthseg_client`.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The tables."""
        package = Path(self.env.srcdir).parent / self.arguments[0]
        folders = sorted({path.parent for path in package.rglob("__init__.py")})
        return self.parse_text_to_nodes("\n".join(_table(folder, package) for folder in folders))


def _table(folder: Path, package: Path) -> str:
    name = ".".join((package.name, *folder.relative_to(package).parts))
    lines = [f".. rubric:: ``{name}``", "", _summary(folder / "__init__.py"), ""]
    lines += [".. list-table::", "   :widths: 25 75", ""]
    for path in sorted(folder.glob("*.py")):
        if not path.stem.startswith("__") and not path.stem.endswith(GENERATED):
            lines += [f"   * - ``{path.stem}``", f"     - {_summary(path)}"]
    return "\n".join([*lines, ""])


def _summary(path: Path) -> str:
    """The first line of a module's docstring.

    Raises:
        ValueError: It has none.
    """
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{path} needs a docstring: its first line stands in the list of modules.")
    return text.splitlines()[0]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("module-list", ModuleList)
    return {"parallel_read_safe": True}

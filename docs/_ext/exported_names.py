"""The directive `exported-names`: what a package exports, documented by its docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

PACKAGES = (
    "synthseg_common",
    "synthseg_client",
    "synthseg_generator",
    "synthseg_trainer",
    "synthseg_serving",
)
BEFORE_NAPOLEON = 400
"""Sphinx calls what is connected in the order of this number, 500 unless told otherwise."""
LONGEST_VALUE = 100
"""Constants whose value takes more characters are shown without it."""


class ExportedNames(SphinxDirective):
    """Documents every name in `__all__` of a package, in the order of that list.

    The argument is the package, `.. exported-names:: synthseg_client`. What a room of a package
    exports is left out where the package itself exports it too.

    Options:
        errors: Documents the errors of the package instead: those that are not exported too.
    """

    required_arguments = 1
    option_spec = {"errors": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """The documentation that autodoc makes of the names."""
        package = self.arguments[0]
        with mock(self.config.autodoc_mock_imports):
            exported = _exported(package)
            top = package.partition(".")[0]
            for name in _exported(top) if top != package else ():
                exported.pop(name, None)
            if "errors" in self.options:
                entries = [_entry(_path_of(error), error) for error in _errors(package).values()]
            else:
                entries = [
                    _entry(f"{package}.{name}", value)
                    for name, value in exported.items()
                    if not _is_error(value)
                ]
        return self.parse_text_to_nodes("\n\n".join(entries))


def link_errors(
    _app: Sphinx, _what: str, name: str, _value: object, _options: object, lines: list[str]
) -> None:
    """Writes the errors under `Raises:` with the package that they belong to.

    Several packages have a `ConfigError` or a `ModelError`: without this Sphinx could not tell
    which one a docstring means.
    """
    owner = name.partition(".")[0]
    for index, line in enumerate(lines):
        found = re.match(r"(\s+)([A-Z]\w+)(:\s.*)", line)
        if found:
            for package in dict.fromkeys((owner, *PACKAGES)):
                error = _errors(package).get(found[2])
                if error is not None:
                    lines[index] = f"{found[1]}~{_path_of(error)}{found[3]}"
                    break


def _exported(package: str) -> dict[str, Any]:
    module = importlib.import_module(package)
    names = [name for name in getattr(module, "__all__", ()) if not name.startswith("__")]
    return {name: getattr(module, name) for name in names}


def _errors(package: str) -> dict[str, type[BaseException]]:
    """The errors that a package defines, by name."""
    module = importlib.import_module(f"{package}.errors")
    return {
        name: value
        for name, value in vars(module).items()
        if _is_error(value) and value.__module__ == module.__name__
    }


def _path_of(error: type[BaseException]) -> str:
    """Where an error is documented: at the top of its package if that exports it."""
    package = error.__module__.partition(".")[0]
    names = getattr(importlib.import_module(package), "__all__", ())
    home = package if error.__name__ in names else error.__module__
    return f"{home}.{error.__name__}"


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseException)


def _entry(path: str, exported: object) -> str:
    """The directive of autodoc that documents a name."""
    if _is_error(exported):
        return f".. autoexception:: {path}\n   :show-inheritance:"
    if inspect.isclass(exported):
        return f".. autoclass:: {path}\n   :members:"
    if inspect.isroutine(exported):
        return f".. autofunction:: {path}"
    value = "" if len(repr(exported)) < LONGEST_VALUE else "\n   :no-value:"
    return f".. autodata:: {path}{value}"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("exported-names", ExportedNames)
    app.connect("autodoc-process-docstring", link_errors, priority=BEFORE_NAPOLEON)
    return {"parallel_read_safe": True}

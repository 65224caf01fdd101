"""Docs, tutorials and examples import from the top of a package, and what they import is there."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# Parts that users import; `synthseg_common` is the floor below them, and no user's matter.
PARTS = ("client", "generator", "trainer", "serving")
_BLOCK = re.compile(r"^```(?:python|pycon)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PROMPT = re.compile(r"^(?:>>>|\.\.\.) ?(.*)$", re.MULTILINE)


class Import(NamedTuple):
    """One name that a text imports from a package of ours.

    Attributes:
        place: The file.
        module: Where the name is taken from.
        name: The name.
    """

    place: str
    module: str
    name: str


def code_of(path: Path) -> Iterator[str]:
    """The Python of a file: all of it, or the blocks of a Markdown text."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield text
        return
    for block in _BLOCK.findall(text):
        entered = _PROMPT.findall(block)
        yield "\n".join(entered) if entered else block


def imports_of(path: Path) -> Iterator[Import]:
    """What a file imports from our packages; code that is no whole Python is read by its lines."""
    place = str(path.relative_to(REPOSITORY))
    for code in code_of(path):
        for node in ast.walk(_parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("synthseg_"):
                for alias in node.names:
                    yield Import(place, str(node.module), alias.name)
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.startswith("synthseg_"):
                        yield Import(place, alias.name, "")


def _parse(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError:
        lines = [line for line in code.splitlines() if re.match(r"(from|import) synthseg_", line)]
        return ast.parse("\n".join(lines))


def public_imports() -> list[Import]:
    files = [
        REPOSITORY / "README.md",
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "tutorials").rglob("*.py"),
        *(REPOSITORY / "examples").rglob("*.py"),
        *(REPOSITORY / "examples").rglob("*.md"),
    ]
    return [found for path in sorted(files) for found in imports_of(path)]


def test_docs_and_tutorials_import_from_the_top_alone() -> None:
    found = public_imports()
    assert len({imported.place for imported in found}) > 5
    deep = [imported for imported in found if "." in imported.module]
    assert deep == []


def test_what_docs_and_tutorials_import_is_exported() -> None:
    missing = [
        imported
        for imported in public_imports()
        if imported.name and imported.name not in _names_of(imported.module)
    ]
    assert missing == []


def _names_of(module: str) -> list[str]:
    return list(getattr(importlib.import_module(module), "__all__", []))


@pytest.mark.parametrize("part", PARTS)
def test_every_exported_name_is_there_and_known_to_type_checkers(part: str) -> None:
    """A name found lazily stands twice: for the interpreter, and for readers of types."""
    package = importlib.import_module(f"synthseg_{part}")
    names = _names_of(package.__name__)
    for name in names:
        assert getattr(package, name) is not None, name
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    declared = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("synthseg_")
        for alias in node.names
    }
    assert declared == set(names) - {"__version__"}


@pytest.mark.parametrize("part", PARTS)
def test_every_error_of_a_part_is_exported(part: str) -> None:
    errors = importlib.import_module(f"synthseg_{part}.errors")
    own = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and value.__module__ == errors.__name__
        and not name.startswith("_")
    }
    assert own <= set(_names_of(f"synthseg_{part}"))


@pytest.mark.parametrize("part", PARTS)
def test_importing_a_part_loads_nothing_heavy(part: str) -> None:
    program = (
        f"import sys, synthseg_{part}\n"
        "print(*sorted({'tensorflow', 'zarr', 'dask', 'grpc', 'numpy', 'cattrs'} & {*sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert loaded.stdout.split() == []

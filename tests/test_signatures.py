"""No function takes more arguments than one can keep in mind: what needs more takes an object."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("common", "client", "generator", "trainer", "serving")
MOST_PARAMETERS = 8
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def count_parameters(function: Function) -> int:
    """How many a caller gives: `self`, `cls` and catch-alls do not count."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def is_command(function: Function) -> bool:
    """Whether click calls it, with a parameter per option: `@main.command(...)`."""
    calls = [node for node in function.decorator_list if isinstance(node, ast.Call)]
    return any(isinstance(c.func, ast.Attribute) and c.func.attr == "command" for c in calls)


def test_no_signature_has_more_than_eight_parameters() -> None:
    long = [
        f"{path.relative_to(REPOSITORY)}:{function.lineno} {function.name} has {count}"
        for package in PACKAGES
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if not path.name.endswith("_pb2.py")
        for function in functions_of(path)
        if (count := count_parameters(function)) > MOST_PARAMETERS and not is_command(function)
    ]
    assert long == []


def test_parameters_are_counted_as_a_caller_gives_them() -> None:
    method = "class C:\n    def f(self, a, /, b, *rest, c=1, **more): ..."
    (function,) = (n for n in ast.walk(ast.parse(method)) if isinstance(n, ast.FunctionDef))
    assert count_parameters(function) == 3
    assert not is_command(function)


def test_a_command_is_known_by_its_decorator() -> None:
    text = "@main.command('add')\n@click.option('--x')\ndef add(x): ..."
    (function,) = (n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef))
    assert is_command(function)

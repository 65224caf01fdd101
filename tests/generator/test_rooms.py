"""The generator's rooms: a room imports from those below it alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import synthseg_generator

PACKAGE = Path(synthseg_generator.__file__).parent
# From the ground up; those of one floor know nothing of each other.
FLOORS = (
    (
        "arrays",
        "errors",
    ),
    (
        "cluster",
        "problems",
        "settings",
    ),
    (
        "label_table",
        "map_geometry",
        "priors",
    ),
    (
        "draws",
        "store",
    ),
    (
        "check",
        "feed",
        "graph",
    ),
    (
        "sample",
        "scans",
    ),
    ("brain_generator",),
    (
        "cli_options",
        "pictures",
        "scan_generator",
    ),
    ("sample_files",),
    ("cli",),
)


def rooms_of_imports(path: Path) -> Iterator[str]:
    """First names below the package of all that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                package, *rest = f"{node.module}.{alias.name}".split(".")
                if package == "synthseg_generator":
                    yield rest[0]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_has_its_floor() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")]
    rooms = [room for floor in FLOORS for room in floor]
    assert sorted(rooms) == sorted({room_of(path) for path in files})


def test_imports_point_down() -> None:
    floor_of = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    upwards = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if (room := room_of(path)) in floor_of
        for other in rooms_of_imports(path)
        if other in floor_of and other != room and floor_of[other] >= floor_of[room]
    ]
    assert upwards == []


# What has no behaviour of its own: names of types, and a record.
WITHOUT_TEST = {"arrays.py", "map_geometry.py"}


def test_every_module_has_a_test_at_the_mirrored_path() -> None:
    tests = Path(__file__).parent
    missing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if not path.name.startswith("__")
        and not (tests / path.relative_to(PACKAGE).parent / f"test_{path.name}").exists()
    }
    assert missing == WITHOUT_TEST

"""How the modules of a package lie: rooms on floors, and which rooms import from which."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Floors = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Package:
    """A package whose folders and top files are rooms.

    Attributes:
        folder: Where it lies.
        floors: Rooms from the ground up; those of one floor know nothing of each other.
    """

    folder: Path
    floors: Floors

    def modules(self) -> list[Path]:
        """All files with code, sorted."""
        return sorted(p for p in self.folder.rglob("*.py") if not p.name.startswith("__"))

    def room_of(self, path: Path) -> str:
        """The room that a file lies in."""
        return path.relative_to(self.folder).parts[0].removesuffix(".py")

    def unknown_rooms(self) -> set[str]:
        """Rooms without a floor, and floors' rooms that are not there."""
        told = {room for floor in self.floors for room in floor}
        return told ^ {self.room_of(path) for path in self.modules()}

    def imports_upwards(self) -> list[str]:
        """Imports from a room on the same floor, or above."""
        floor_of = {room: number for number, floor in enumerate(self.floors) for room in floor}
        return [
            f"{path.relative_to(self.folder)} imports {other}"
            for path in self.modules()
            if (room := self.room_of(path)) in floor_of
            for other in self._imported_rooms(path)
            if other in floor_of and other != room and floor_of[other] >= floor_of[room]
        ]

    def untested_modules(self, tests: Path, exempt: Sequence[str] = ()) -> list[str]:
        """Modules without a test at the mirrored path.

        Args:
            tests: The package's folder of tests.
            exempt: Modules that hold nothing to test, by their path.
        """
        paths = [path.relative_to(self.folder) for path in self.modules()]
        return [
            str(path)
            for path in paths
            if str(path) not in exempt
            and not (tests / path.parent / f"test_{path.name.removeprefix('_')}").exists()
        ]

    def _imported_rooms(self, path: Path) -> Iterator[str]:
        """Rooms of all that a file imports, also inside functions."""
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    package, *rest = f"{node.module}.{alias.name}".split(".")
                    if package == self.folder.name:
                        yield rest[0]

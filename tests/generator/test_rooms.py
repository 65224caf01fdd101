"""The generator's rooms: a room imports from those below it alone."""

from __future__ import annotations

from pathlib import Path

import synthseg_generator
from rooms import Package

GENERATOR = Package(
    Path(synthseg_generator.__file__).parent,
    (
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
    ),
)
# What has no behaviour of its own: names of types, and a record.
NOTHING_TO_TEST = ("arrays.py", "map_geometry.py")


def test_every_module_has_its_floor() -> None:
    assert GENERATOR.unknown_rooms() == set()


def test_imports_point_down() -> None:
    assert GENERATOR.imports_upwards() == []


def test_every_module_has_a_test_at_the_mirrored_path() -> None:
    assert GENERATOR.untested_modules(Path(__file__).parent, NOTHING_TO_TEST) == []

"""The ground floor's own floors: facts below, what counts with arrays and reads files above."""

from __future__ import annotations

from pathlib import Path

import synthseg_common
from rooms import Package

COMMON = Package(
    Path(synthseg_common.__file__).parent,
    (
        (
            "arrays",
            "contract",
            "errors",
            "exports",
            "formats",
            "memory",
            "option_groups",
            "processing",
            "processor",
            "triples",
        ),
        ("telemetry",),
        (
            "certificates",
            "colours",
            "command_line",
            "files",
            "images",
            "label_types",
            "labels",
            "locking",
            "official_weights",
            "resampling",
        ),
        ("object_storage", "parcels"),
    ),
)
# Names of types, and numbers.
NOTHING_TO_TEST = ("arrays.py", "processing.py")


def test_every_module_has_its_floor() -> None:
    assert COMMON.unknown_rooms() == set()


def test_imports_point_down() -> None:
    assert COMMON.imports_upwards() == []


def test_every_module_has_a_test_at_the_mirrored_path() -> None:
    assert COMMON.untested_modules(Path(__file__).parent, NOTHING_TO_TEST) == []

"""The client's rooms: a room imports from those below it alone."""

from __future__ import annotations

from pathlib import Path

import synthseg_client
from rooms import Package

CLIENT = Package(
    Path(synthseg_client.__file__).parent,
    (
        ("errors", "messages_pb2", "server_log"),
        ("storage",),
        ("embedded", "inputs", "model", "options", "telemetry"),
        ("answers", "calls", "results"),
        ("diagnosis", "geometry", "pictures"),
        ("segmentation",),
        ("dicom",),
        ("batch",),
        ("merging", "report"),
        ("api", "bids"),
        ("commands", "mri_synthseg"),
        ("cli",),
    ),
)
# Types alone, which the type checker holds.
NOTHING_TO_TEST = ("calls/methods.py",)


def test_every_module_has_its_floor() -> None:
    assert CLIENT.unknown_rooms() == set()


def test_imports_point_down() -> None:
    assert CLIENT.imports_upwards() == []


def test_every_module_has_a_test_at_the_mirrored_path() -> None:
    assert CLIENT.untested_modules(Path(__file__).parent, NOTHING_TO_TEST) == []

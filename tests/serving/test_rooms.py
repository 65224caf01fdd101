"""How serving's modules lie."""

from __future__ import annotations

from pathlib import Path

import synthseg_serving
from rooms import Package

SERVING = Package(Path(synthseg_serving.__file__).parent, ())


def test_every_module_has_a_test_at_the_mirrored_path() -> None:
    assert SERVING.untested_modules(Path(__file__).parent) == []

"""The tutorial on training runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[1] / "tutorials" / "3_training.py"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial_on_training_ends_with_a_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TUTORIAL, "--output", tmp_path, "--steps", "5", "--crop", "16"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "trained to the end" in done.stdout
    assert "weights after 15 steps" in done.stdout
    assert "labels: background, left cerebral white matter, left cerebral cortex" in done.stdout

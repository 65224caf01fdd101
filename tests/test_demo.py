"""The demo with the shipped model, as `make demo` runs it."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[1] / "demo" / "run.py"


@pytest.mark.slow
def test_demo_segments_the_template_and_its_thick_slices_alike(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DEMO, "--output", tmp_path], check=True, timeout=1500)
    assert list(tmp_path.glob("*.png"))
    assert (tmp_path / "report/index.html").is_file()
    (table,) = tmp_path.glob("*.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    fine, thick = (float(row["total intracranial"]) for row in rows)
    assert 1.0e6 < fine < 2.5e6  # mm³
    assert thick == pytest.approx(fine, rel=0.25)

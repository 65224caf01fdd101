"""Tables in files, as tests read them."""

from __future__ import annotations

import csv
from pathlib import Path


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV by the names in its first line."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))

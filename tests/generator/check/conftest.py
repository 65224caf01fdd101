"""A head, and what the linter says of maps that a test makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from generator_fixtures import MakeHead, WriteMap
from numpy.typing import NDArray
from synthseg_generator.check.findings import Finding
from synthseg_generator.check.linter import check
from synthseg_generator.label_table import read_label_table
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import open_store

FindingsOf = Callable[..., list[Finding]]


# Labels of the head that `make_head` builds, so that nothing is missing by construction.
TABLE = """
values: [0, 16, 24, 516, 2, 3, 4, 7, 8, 10, 12, 17, 41, 42, 43, 46, 47, 49, 51, 53]
n_neutral: 4
targets: [0, 16, 24, 0, 2, 3, 4, 7, 8, 10, 12, 17, 41, 42, 43, 46, 47, 49, 51, 53]
"""


@pytest.fixture
def findings_of(tmp_path: Path, write_map: WriteMap) -> FindingsOf:
    """A function that stores label maps and returns what the linter says about them."""

    def find(**maps: NDArray[np.int32]) -> list[Finding]:
        folder = tmp_path / "maps"
        folder.mkdir()
        (tmp_path / "table.yaml").write_text(TABLE)
        for name, labels in maps.items():
            write_map(folder / f"{name}.nii.gz", labels)
        ingest(folder, tmp_path / "store.zarr", read_label_table(tmp_path / "table.yaml"))
        return check(open_store(tmp_path / "store.zarr"), min_volume_mm3=5)

    return find


@pytest.fixture
def head(make_head: MakeHead) -> NDArray[np.int32]:
    return make_head((48, 56, 52))

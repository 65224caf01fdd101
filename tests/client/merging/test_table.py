from __future__ import annotations

import csv
from pathlib import Path

from synthseg_client.merging.rows import Merged, Row
from synthseg_client.merging.table import COLUMNS, write_merged


def test_each_scan_has_a_row_with_empty_cells_where_nothing_is_known(tmp_path: Path) -> None:
    rows = (
        Row("a", "/in/a", "done", "/out/a", "m:1", volumes={"csf": 1.5}, quality={"csf": 0.9}),
        Row("b", "/in/b", "done", "/out/b", "m:2", volumes={"csf": 2.0, "cortex": 3.0}),
        Row("c", "/in/c", "incomplete", "/out/c", "m:1", "gone", volumes={"csf": 9.0}),
    )
    write_merged(tmp_path / "t.csv", Merged(rows))
    table = list(csv.reader((tmp_path / "t.csv").read_text().splitlines()))
    assert table == [
        [*COLUMNS, "csf", "cortex", "quality of csf"],
        ["a", "done", "m:1", "/in/a", "/out/a", "", "1.5", "", "0.9000"],
        ["b", "done", "m:2", "/in/b", "/out/b", "", "2.0", "3.0", ""],
        ["c", "incomplete", "m:1", "/in/c", "/out/c", "gone", "", "", ""],
    ]

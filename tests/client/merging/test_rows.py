from __future__ import annotations

from synthseg_client.merging.rows import Merged, Row


def test_models_and_structures_are_counted_of_what_is_done_alone() -> None:
    rows = (
        Row("a", "/in/a", "done", model="m:1", volumes={"csf": 1.0}),
        Row("b", "/in/b", "done", volumes={"csf": 2.0}),
        Row("c", "/in/c", "failed", model="m:2", volumes={"other": 1.0}),
    )
    merged = Merged(rows)
    assert merged.models == {"m:1": 1, "unknown": 1}
    assert merged.tables == 1
    assert merged.of("failed") == [rows[2]]

from __future__ import annotations

import pytest
from synthseg_client.batch.settings import BatchSettings

TABLES = (".tsv", ".ctab", ".label.txt", ".ctbl")


@pytest.mark.parametrize(
    ("sidecar", "tables", "endings"),
    [
        (True, False, (".json",)),
        (False, True, TABLES),
        (True, True, (".json", *TABLES)),
        (False, False, ()),
    ],
)
def test_what_lies_beside_a_label_map(
    sidecar: bool, tables: bool, endings: tuple[str, ...]
) -> None:
    assert BatchSettings(sidecar=sidecar, tables=tables).beside() == endings


def test_label_tables_may_be_of_one_kind_alone() -> None:
    assert BatchSettings(tables=True, table_endings=(".tsv",)).beside() == (".json", ".tsv")

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from synthseg_client.model import Model
from synthseg_client.results.volume_table import (
    as_score,
    column_names,
    row_name,
    volumes_mm3,
    write_single_table,
    write_table,
)


def _model(values: Sequence[int]) -> Model:
    names = tuple("background" if v == 0 else f"structure {v}" for v in values)
    channels = np.arange(len(values), dtype=np.int32)
    return Model("synthseg", 1, np.array(values, np.int32), names, channels * 0, channels)


def test_the_total_comes_first_where_the_labels_cover_the_head() -> None:
    assert column_names(_model([0, 2, 24]))[0] == "total intracranial"
    assert column_names(_model([0, 2])) == ["structure 2"]


def test_volumes_are_sums_times_the_voxel_volume_rounded_to_three_decimals() -> None:
    volumes = volumes_mm3(np.array([9.0, 1.00006, 2.0]), 2.0, _model([0, 2, 24]))
    assert volumes == {"total intracranial": 6.0, "structure 2": 2.0, "structure 24": 4.0}


def test_rows_are_named_as_in_the_original() -> None:
    assert row_name(Path("a/s1.nii.gz")) == "s1"
    assert row_name(Path("s1.nii")) == "s1.nii"
    assert row_name(Path("s1.mgz")) == "s1.mgz"


def test_the_table_has_the_layout_of_the_original(tmp_path: Path) -> None:
    write_table(tmp_path / "v.csv", ["a", "b,c"], [("s1", {"a": 1.5, "b,c": 2.0})])
    assert (tmp_path / "v.csv").read_bytes() == b'subject,a,"b,c"\r\ns1,1.5,2.0\r\n'
    write_single_table(tmp_path / "w.csv", ("s1", {"a": 1234.567}))
    assert (tmp_path / "w.csv").read_bytes() == b",a\r\ns1,1234.567\r\n"


def test_scores_have_four_decimals(tmp_path: Path) -> None:
    write_table(tmp_path / "q.csv", ["a", "b"], [("s1", {"a": 1.0, "b": 0.12345})], as_score)
    assert (tmp_path / "q.csv").read_bytes() == b"subject,a,b\r\ns1,1.0000,0.1235\r\n"


def test_a_table_of_one_scan_lists_names_and_values_where_it_is_a_tsv(tmp_path: Path) -> None:
    write_single_table(tmp_path / "v.tsv", ("scan", {"left": 1.5, "right": 2.0}))
    assert (tmp_path / "v.tsv").read_text() == "name\tvalue\nleft\t1.5\nright\t2.0\n"

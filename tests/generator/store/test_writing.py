"""The parts of a label store as they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from synthseg_generator.errors import StoreError
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.label_store import StoredMap, open_store
from synthseg_generator.store.writing import (
    create_group,
    is_unfinished,
    list_maps,
    open_member,
    read_finished_maps,
    read_group_attributes,
    translate_write_errors,
    write_map,
)

IDS = np.zeros((4, 5, 6), np.uint8)


@pytest.fixture
def place(tmp_path: Path) -> str:
    path = tmp_path / "s.zarr"
    create_group(path, LABEL_TABLES["v2"], (1, 1, 1))
    return str(path)


def test_a_store_is_none_until_its_maps_are_listed(place: str) -> None:
    attributes = {"sha256": "0" * 64, "centre": None, "affine": np.eye(4).tolist()}
    write_map(place, "bob", IDS, attributes)
    assert is_unfinished(read_group_attributes(place) or {})
    with pytest.raises(StoreError, match="no finished label store"):
        open_store(place)
    maps = read_finished_maps(place)
    assert maps == {"bob": StoredMap("bob", (4, 5, 6), "0" * 64, None)}
    list_maps(place, maps)
    assert open_store(place).names == ("bob",)


def test_a_map_of_one_label_is_a_chunk_too(place: str) -> None:
    write_map(place, "bob", IDS, {})
    array = open_member(zarr.open_group(place, mode="r"), "bob")
    assert array.nchunks_initialized == array.nchunks == 1
    assert "bob" not in read_finished_maps(place)  # its attributes say nothing of its content


def test_there_is_no_group_where_nothing_is(tmp_path: Path) -> None:
    assert read_group_attributes(tmp_path / "nowhere.zarr") is None


def test_a_member_that_was_never_written_is_named(place: str) -> None:
    with pytest.raises(StoreError, match="has no array carol"):
        open_member(zarr.open_group(place, mode="r"), "carol")


def test_what_cannot_be_written_is_named_in_one_line() -> None:
    with pytest.raises(StoreError) as caught, translate_write_errors("s.zarr"):
        raise OSError("the disk\nis full")
    assert str(caught.value) == "s.zarr cannot be written: the disk is full."

"""An opened label store."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from generator_fixtures import WriteMap
from synthseg_generator.errors import StoreError
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import LabelStore, open_store
from typed import there


@pytest.fixture
def copy(tmp_path: Path, store_path: Path) -> Path:
    return shutil.copytree(store_path, tmp_path / "copy.zarr")


def test_maps_are_found_by_name_and_by_index(store: LabelStore) -> None:
    np.testing.assert_array_equal(store.load(1), store.load("bob"))
    np.testing.assert_allclose(store.affine(1), np.eye(4))


@pytest.mark.parametrize("key", ["dave", 3, -4])
def test_an_unknown_map_is_refused(store: LabelStore, key: int | str) -> None:
    with pytest.raises(StoreError, match=r"heads\.zarr has"):
        store.load(key)


def test_a_selection_keeps_the_order_and_changes_the_fingerprint(store: LabelStore) -> None:
    chosen = store.select(["carol", "alice"])
    assert chosen.names == ("alice", "carol")
    assert chosen.fingerprint != store.fingerprint
    assert store.select(store.names).fingerprint == store.fingerprint
    with pytest.raises(StoreError, match="has no map dave"):
        store.select(["dave"])


def test_the_fingerprint_does_not_depend_on_the_place(store: LabelStore, copy: Path) -> None:
    assert open_store(copy).fingerprint == store.fingerprint


def test_a_store_can_be_sent_to_another_process(store: LabelStore) -> None:
    sent = pickle.loads(pickle.dumps(store))
    assert sent == store
    np.testing.assert_array_equal(sent.load(0), store.load(0))


def test_a_missing_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="synthseg-generator ingest"):
        open_store(tmp_path / "nowhere.zarr")


def test_another_format_version_is_refused(copy: Path) -> None:
    zarr.open_group(copy, mode="r+").attrs.update({"format_version": 99})
    with pytest.raises(StoreError, match="store format 99, expected 1"):
        open_store(copy)


def test_a_store_that_was_never_finished_is_refused(copy: Path) -> None:
    group = zarr.open_group(copy, mode="r+")
    del group.attrs["maps"]
    with pytest.raises(StoreError, match="no finished label store"):
        open_store(copy)


@pytest.mark.parametrize("broken", [{"labels": {}}, {"maps": [{}]}, {"voxel_size_mm": [1]}])
def test_broken_attributes_are_refused(copy: Path, broken: dict[str, Any]) -> None:
    zarr.open_group(copy, mode="r+").attrs.update(broken)
    with pytest.raises(StoreError, match="attributes of the label store are broken"):
        open_store(copy)


def test_damaged_data_is_noticed(copy: Path) -> None:
    chunk = copy / "bob" / "c" / "0" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 0xFF
    chunk.write_bytes(data)
    with pytest.raises(StoreError, match="map bob cannot be read"):
        open_store(copy).load("bob")


def test_data_that_is_missing_is_noticed(copy: Path) -> None:
    (copy / "bob" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(StoreError, match="data of map bob is missing"):
        open_store(copy).load("bob")


def test_geometries_hold_the_structures_centre(store: LabelStore) -> None:
    shape, centre = store.geometries[2].shape, store.geometries[2].centre
    assert shape == (44, 40, 38)
    np.testing.assert_allclose(there(centre), (np.array(shape) - 1) / 2, atol=4)


def test_a_store_can_be_read_from_a_web_server(store_url: str, store: LabelStore) -> None:
    remote = open_store(store_url)
    assert remote.maps == store.maps
    assert remote.fingerprint == store.fingerprint
    np.testing.assert_array_equal(remote.load("carol"), store.load("carol"))
    np.testing.assert_array_equal(remote.affine("carol"), store.affine("carol"))
    with pytest.raises(StoreError, match=r"nowhere\.zarr is no label store"):
        open_store(store_url.replace("heads", "nowhere"))


def test_a_map_of_background_alone_is_no_lost_one(tmp_path: Path, write_map: WriteMap) -> None:
    (tmp_path / "maps").mkdir()
    write_map(tmp_path / "maps" / "empty.nii", np.zeros((8, 8, 8), np.int16))
    ingest(tmp_path / "maps", tmp_path / "empty.zarr", LABEL_TABLES["v2"])
    assert not open_store(tmp_path / "empty.zarr").load("empty").any()

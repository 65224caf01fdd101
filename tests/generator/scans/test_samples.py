"""Augmented scans: the labels move with the image, and sample k is the same whoever asks."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from generator_fixtures import MakeHead
from scan_pairs import PLAIN, SILENT
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.samples import Shard
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.scans.samples import ScanSampleSource, make_scan_dataset
from synthseg_generator.scans.stored_scans import add_scans, load_scan
from synthseg_generator.settings.generator import generator_settings
from synthseg_generator.settings.scans import ScanNoise
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import LabelStore, open_store


def test_scans_on_copies_of_one_label_map_are_told_apart(
    tmp_path: Path, make_head: MakeHead
) -> None:
    head = make_head((24, 24, 24)).astype(np.int16)
    for folder in ("maps", "scans"):
        (tmp_path / folder).mkdir()
    for name, contrast in (("sub_T1", 1), ("sub_T2", -1)):
        for folder, volume in (("maps", head), ("scans", contrast * head.astype(np.float32))):
            nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / folder / f"{name}.nii")
    ingest(tmp_path / "maps", tmp_path / "s.zarr", LABEL_TABLES["v2"])
    store = open_store(tmp_path / "s.zarr")
    add_scans(tmp_path / "scans", store)
    assert len({stored.sha256 for stored in store.maps}) == 1
    settings = generator_settings({"crop": {"shape": [24, 24, 24]}})
    source = ScanSampleSource(store, settings, SILENT, 0)
    for index, name in enumerate(store.names):
        np.testing.assert_array_equal(source.scan(index), load_scan(store, name))


def test_a_dataset_gives_the_samples_of_its_shard(scan_store: LabelStore) -> None:
    source = ScanSampleSource(scan_store, generator_settings(PLAIN), ScanNoise(), 1)
    elements = list(make_scan_dataset(source, Shard(first=2, count=3)).as_numpy_iterator())
    assert [int(element["k"]) for element in elements] == [2, 3, 4]
    for element in elements:
        expected = source.element(int(element["k"]))
        np.testing.assert_array_equal(element["scan"], expected["scan"])
        np.testing.assert_array_equal(element["labels"], expected["labels"])
        for name, value in expected["row"].items():
            np.testing.assert_array_equal(element["row"][name], value, err_msg=name)


@pytest.mark.parametrize("part", ["lesions", "stripping"])
def test_parts_that_are_painted_are_refused(scan_store: LabelStore, part: str) -> None:
    settings = generator_settings({**PLAIN, part: {"probability": 0.1}})
    with pytest.raises(ConfigError, match=rf"{part}\.probability must be 0 where scans are"):
        ScanSampleSource(scan_store, settings, SILENT, 1)


def test_maps_without_a_scan_and_other_channels_are_refused(
    scan_store: LabelStore, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"n_channels is 2, but the scans of head_0, head_1 .* have 1"
    ):
        ScanSampleSource(scan_store, generator_settings({"n_channels": 2}), SILENT, 1)
    ingest(Path(scan_store.path).with_name("maps"), tmp_path / "bare.zarr", LABEL_TABLES["v2"])
    with pytest.raises(StoreError, match=r"no scan of head_0, head_1: add them with.*add-scans"):
        ScanSampleSource(open_store(tmp_path / "bare.zarr"), generator_settings({}), SILENT, 1)

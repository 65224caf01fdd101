"""Synthetic scans in Python."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from equal_samples import assert_same
from synthseg_generator import BrainGenerator
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.settings.generator import Crop, GeneratorSettings
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import LabelStore, find_cubic_voxel_size_mm


def test_three_lines_give_images_and_labels(
    store_path: Path, small_settings: GeneratorSettings
) -> None:
    for image, labels in BrainGenerator(store_path, small_settings, seed=1):
        assert image.shape == (16, 16, 16, 1)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        assert labels.shape == (16, 16, 16)
        assert labels.dtype == np.int32
        break


def test_labels_are_values_that_a_network_shall_answer(
    generator: BrainGenerator, store: LabelStore
) -> None:
    allowed = {0, *store.labels.targets}
    for k in range(5):
        assert set(np.unique(generator.sample(k).labels).tolist()) <= allowed


def test_the_same_seed_gives_the_same_samples_in_any_order(
    generator: BrainGenerator, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    again = BrainGenerator(store, small_settings, seed=1)
    later = again.sample(2)
    assert_same(again.generate_brain(), generator.sample(0))
    assert_same(again.generate_brain(), generator.sample(1))
    assert_same(later, generator.sample(2))


def test_another_seed_gives_other_samples(
    generator: BrainGenerator, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    other = BrainGenerator(store, small_settings, seed=2).sample(0)
    assert not np.array_equal(other.image, generator.sample(0).image)


def test_planned_samples_are_the_drawn_ones(
    tmp_path: Path, generator: BrainGenerator, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    plan = write_plan(SampleSource(store, small_settings, 1), 3, tmp_path / "plan.zarr")
    assert_same(BrainGenerator.from_source(plan).sample(2), generator.sample(2))


def test_parameters_may_be_chosen_by_hand(generator: BrainGenerator) -> None:
    parameters = generator.source.parameters(0)
    mirrored = dataclasses.replace(parameters, flip=np.logical_not(parameters.flip))
    one, other = generator.render(parameters), generator.render(mirrored)
    np.testing.assert_array_equal(one.labels == 0, other.labels[::-1] == 0)


def test_a_crop_larger_than_a_map_is_filled_with_background(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    large = dataclasses.replace(small_settings, crop=Crop(shape=(48, 48, 48)))
    assert BrainGenerator(store, large).sample(0).labels.shape == (48, 48, 48)


def test_channels_share_their_labels(store: LabelStore, small_settings: GeneratorSettings) -> None:
    settings = dataclasses.replace(small_settings, n_channels=2)
    image, labels = BrainGenerator(store, settings, seed=1).sample(0)
    assert image.shape == (16, 16, 16, 2)
    assert labels.shape == (16, 16, 16)
    assert not np.array_equal(image[..., 0], image[..., 1])


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere\.zarr is no label store"):
        BrainGenerator(tmp_path / "nowhere.zarr")


def test_voxels_that_are_no_cubes_are_refused(store: LabelStore) -> None:
    stretched = dataclasses.replace(store, voxel_size_mm=(1.0, 1.0, 3.0))
    with pytest.raises(ConfigError, match="voxels of 1 x 1 x 3 mm, expected cubes"):
        BrainGenerator(stretched, GeneratorSettings())
    assert find_cubic_voxel_size_mm(store) == 1.0


def test_a_crop_of_background_alone_that_is_cut_everywhere_is_black(
    shared_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "maps").mkdir()
    for name in ("training_seg_01.nii.gz", "training_seg_02.nii.gz"):
        (tmp_path / "maps" / name).symlink_to(shared_data / "label_maps" / name)
    ingest(tmp_path / "maps", tmp_path / "s.zarr", LABEL_TABLES["v2"])
    settings = GeneratorSettings(crop=Crop(shape=(32, 32, 32)))
    sample = BrainGenerator(tmp_path / "s.zarr", settings, seed=1).sample(68)
    assert not sample.labels.any()
    assert not sample.image.any()

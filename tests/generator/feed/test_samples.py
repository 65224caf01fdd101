"""From a store and settings to what samples are made of."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray
from synthseg_generator.errors import ConfigError
from synthseg_generator.feed.placement import locate_crop
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.graph.noise import draw_voxel_noise
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.settings.generator import (
    Crop,
    GeneratorSettings,
    Growth,
    LabelSettings,
    Mixture,
    Prior,
    Uniform,
    cube,
)
from synthseg_generator.store.label_store import LabelStore


def _source(store: LabelStore, settings: GeneratorSettings, **changes: Any) -> SampleSource:
    return SampleSource(store, dataclasses.replace(settings, **changes), seed=1)


def _made(source: SampleSource, k: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Image and target of a sample, without the seconds that compiling a graph takes."""
    row = source.parameters(k).to_row()
    graph = Synthesizer(source.settings, source.labels, source.map_shape)
    noise = draw_voxel_noise(row["noise_seed"], graph.noise_shape)
    image, target = graph(source.label_map(int(row["map_index"])), row, noise)
    assert image.shape == graph.image_shape
    assert target.shape == graph.image_shape[:3]
    return np.asarray(image), np.asarray(target)


def test_maps_are_taken_by_the_weights_of_their_names(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    source = _source(store, small_settings, map_weights=(("alice", 0.0), ("bob", 0.0)))
    assert {int(source.parameters(k).map_index) for k in range(10)} == {2}


def test_weights_may_name_maps_of_the_rest_of_the_store(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    part = store.select(["bob", "carol"])
    source = _source(part, small_settings, map_weights=(("alice", 5.0), ("bob", 0.0)))
    assert {int(source.parameters(k).map_index) for k in range(5)} == {1}


def test_weights_of_unknown_maps_are_refused(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    with pytest.raises(ConfigError, match=r"map_weights: .* has no map zoe"):
        _source(store, small_settings, map_weights=(("zoe", 1.0),)).parameters(0)


def test_a_prior_that_few_samples_take_is_checked_for_all(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    odd = Mixture(
        specific_means=(Prior(rows=((0, 1),) * 3),),
        specific_stds=(Prior(rows=((0, 1),)),),
        specific_probability=1e-9,
    )
    source = _source(store, small_settings, mixture=odd)
    source.parameters(0)
    with pytest.raises(ConfigError, match="a prior of the means has 3 rows, expected 1 or one per"):
        source.check()


def test_labels_that_grow_in_few_samples_are_checked_for_all(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    growth = Growth(labels=(99,), probability=1e-9, distance_mm=Uniform(1, 2))
    source = _source(store, small_settings, growth=(growth,))
    with pytest.raises(ConfigError, match=r"growth\.labels: .* has no label 99"):
        source.check()


def test_a_sample_of_other_voxels_shows_as_much_of_the_world(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    """8 voxels of 2 mm and a 1 mm crop of 16 begin at one place and end at one place."""
    fine = _source(store, small_settings)
    coarse = _source(store, small_settings, crop=Crop(shape=(8, 8, 8), spacing_mm=cube(2.0)))
    assert coarse.crop_region == fine.crop_region == (16, 16, 16)
    parameters = coarse.parameters(3)
    np.testing.assert_array_equal(parameters.crop_start, fine.parameters(3).crop_start)
    image, target = _made(coarse, 3)
    assert image.shape == (8, 8, 8, 1)
    np.testing.assert_array_equal(target, _made(fine, 3)[1][::2, ::2, ::2])
    affines = [locate_crop(source, parameters) for source in (fine, coarse)]
    np.testing.assert_allclose(affines[1] @ [1, 2, 3, 1], affines[0] @ [2, 4, 6, 1])


def test_maps_are_padded_to_what_coarse_samples_show(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    source = _source(store, small_settings, crop=Crop(shape=(32, 8, 8), spacing_mm=cube(2.0)))
    assert source.map_shape == (64, 44, 42)


def test_a_whole_map_is_a_sample(store: LabelStore, small_settings: GeneratorSettings) -> None:
    source = _source(store, small_settings, crop=Crop(shape=None, multiple=8))
    assert source.map_shape == (44, 44, 42)
    assert source.crop_region == (40, 40, 40)
    assert source.parameters(0).crop_start.max() <= 4


def test_targets_of_the_settings_are_what_samples_show(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    targets = tuple(int(value in (2, 41)) for value in store.labels.values)
    source = _source(store, small_settings, labels=LabelSettings(targets=targets))
    assert source.labels.targets == targets
    table = store.table.segmentation_labels(source.settings.labels)
    assert table.values == (0, 1)
    assert set(np.unique(_made(source, 0)[1])) <= {0, 1}


def test_gradients_are_images_too(store: LabelStore, small_settings: GeneratorSettings) -> None:
    crop = Crop(shape=(16, 16, 16), placement="centred")
    source = _source(store, small_settings, image_gradients=True, crop=crop)
    image, _ = _made(source, 0)
    assert image.min() == 0
    assert image.max() == pytest.approx(1, abs=1e-5)
    plain, _ = _made(_source(store, small_settings, crop=crop), 0)
    assert not np.allclose(image, plain, atol=0.05)


def test_a_crop_larger_than_memory_is_named(
    store: LabelStore, small_settings: GeneratorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise MemoryError("Unable to allocate 116 GiB")

    source = _source(store, small_settings, crop=Crop(shape=(5000, 64, 64)))
    monkeypatch.setattr(np, "pad", refuse)
    complaint = r"crop\.shape \(5000, 64, 64\) needs maps of 5000x64x64 voxels, more memory"
    with pytest.raises(ConfigError, match=complaint):
        source.label_map(0)

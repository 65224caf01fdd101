"""Samples by their numbers, whatever makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from equal_samples import assert_same
from synthseg_generator import BrainGenerator
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.sample import Samples
from synthseg_generator.scan_generator import choose_generator
from synthseg_generator.scans.samples import ScanSampleSource
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.settings.scans import ScanNoise
from synthseg_generator.store.label_store import LabelStore


def test_a_generator_begins_where_it_is_told(
    generator: BrainGenerator, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    later = BrainGenerator(store, small_settings, seed=1, first=3)
    assert_same(next(iter(later)), generator.sample(3))


def test_a_sample_lies_where_its_crop_lies(generator: BrainGenerator, store: LabelStore) -> None:
    parameters = generator.source.parameters(1)
    name, start = store.names[int(parameters.map_index)], parameters.crop_start
    padding = generator.source.padding(store.shapes[int(parameters.map_index)])
    np.testing.assert_allclose(
        generator.affine(1) @ [0, 0, 0, 1], store.affine(name) @ [*(start - padding), 1]
    )


def test_pictures_and_files_ask_the_same_of_synthetic_and_of_augmented_samples(
    generator: BrainGenerator,
    store: LabelStore,
    scan_store: LabelStore,
    small_settings: GeneratorSettings,
) -> None:
    augmented = choose_generator(ScanSampleSource(scan_store, small_settings, ScanNoise(), 1))
    samples: Samples
    for samples in (generator, augmented):
        assert samples.n_samples is None
        index = int(samples.parameters(2).map_index)
        assert samples.map_name(2) in (store.names[index], scan_store.names[index])
        assert samples.affine(2).shape == (4, 4)
        assert samples.sample(2).image.shape == (16, 16, 16, 1)


def test_a_plan_has_as_many_samples_as_were_drawn(
    tmp_path: Path, store: LabelStore, small_settings: GeneratorSettings
) -> None:
    plan = write_plan(SampleSource(store, small_settings, 1), 3, tmp_path / "plan.zarr")
    assert choose_generator(plan).n_samples == 3

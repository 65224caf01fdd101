"""What a worker prepares of a sample."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from synthseg_generator.feed.map_cache import MapCache
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.feed.stream_worker import cut_sample, cut_samples, pack, unpack
from synthseg_generator.graph.deformer import Deformer
from synthseg_generator.settings.generator import Growth, Uniform


def test_the_box_of_a_sample_is_a_part_of_its_map(source: SampleSource) -> None:
    cut = cut_sample(source, 3)
    whole = source.label_map(int(cut.row["map_index"]))
    box = tuple(
        slice(start, start + side)
        for start, side in zip(cut.box_start.tolist(), cut.labels.shape, strict=True)
    )
    np.testing.assert_array_equal(cut.labels, whole[box], strict=True)
    assert cut.labels.flags.c_contiguous


def test_packed_labels_are_smaller_and_come_back_as_they_were(source: SampleSource) -> None:
    cut = cut_sample(source, 0)
    packed = pack(cut)
    assert packed.sample.labels.nbytes < cut.labels.nbytes / 2
    np.testing.assert_array_equal(unpack(packed).labels, cut.labels, strict=True)


@pytest.mark.parametrize("cache_bytes", [0, 2**20])
def test_a_task_prepares_its_numbers_within_its_memory(
    source: SampleSource, cache_bytes: int
) -> None:
    cache = MapCache()
    own = SampleSource(source.store, source.settings, source.seed, cache)
    assert [packed.sample.k for packed in cut_samples(own, cache_bytes, [4, 2])] == [4, 2]
    assert cache.max_bytes == cache_bytes


@pytest.mark.parametrize("k", range(4))
def test_the_box_holds_all_that_growth_looks_at(source: SampleSource, k: int) -> None:
    growth = Growth(labels=(2, 41), probability=0.7, distance_mm=Uniform(-2, 2), reach_mm=1.5)
    settings = dataclasses.replace(source.settings, growth=(growth,))
    growing = SampleSource(source.store, settings, source.seed)
    cut = cut_sample(growing, k)
    deformer = Deformer(settings, growing.store.labels, growing.map_shape)
    whole = deformer.deform(growing.label_map(int(cut.row["map_index"])), cut.row)
    part = deformer.deform(cut.labels, cut.row, cut.box_start)
    np.testing.assert_array_equal(part, whole)
    grows = bool(cut.row["growth_mm"].any())
    assert (cut.labels.size > cut_sample(source, k).labels.size) == grows

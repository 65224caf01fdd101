"""Label maps in memory."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray
from synthseg_generator.feed.map_cache import PROCESS_CACHE, MapCache
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore


def volume() -> NDArray[np.uint8]:
    return np.zeros(100, np.uint8)


def test_the_map_used_longest_ago_is_given_up() -> None:
    cache = MapCache(max_bytes=200)
    first = cache.get("a", volume)
    assert cache.get("a", volume) is first
    cache.get("b", volume)
    cache.get("a", volume)
    cache.get("c", volume)
    assert cache.nbytes == 200
    assert cache.get("a", volume) is first


def test_one_map_is_kept_even_if_it_is_too_large() -> None:
    cache = MapCache(max_bytes=10)
    assert cache.get("a", volume) is cache.get("a", volume)
    assert cache.nbytes == 100


def test_kept_maps_cannot_be_changed_by_mistake() -> None:
    with pytest.raises(ValueError, match="read-only"):
        MapCache().get("a", volume)[0] = 1


def test_a_map_that_cannot_be_read_is_not_kept() -> None:
    cache = MapCache()
    with pytest.raises(OSError, match="gone"):
        cache.get("a", _fail)
    assert cache.nbytes == 0


def _fail() -> NDArray[np.uint8]:
    raise OSError("gone")


def test_a_source_of_many_maps_stays_within_its_memory(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    size = 44**3
    cache = MapCache(max_bytes=2 * size)
    source = SampleSource(store, small_settings, 0, cache)
    for index in (0, 1, 2, 0, 1, 2):
        source.label_map(index)
        assert cache.nbytes <= 2 * size


def test_sources_of_one_process_share_their_maps(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    one, other = (SampleSource(store, small_settings, seed) for seed in (1, 2))
    assert one.label_map(0) is other.label_map(0)


def test_a_source_arrives_without_maps_and_shares_those_of_the_other_process(
    store: LabelStore, small_settings: GeneratorSettings
) -> None:
    source = SampleSource(store, small_settings, 1, MapCache())
    before = len(pickle.dumps(source))
    source.label_map(0)
    arrived = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) == pytest.approx(before, abs=500)
    assert arrived.label_map(0) is PROCESS_CACHE.get(
        (store.path, store.maps[0].sha256, source.map_shape), volume
    )

"""Samples from real Dask worker processes."""

import os
import signal
import sys

import numpy as np
import pytest
from synthseg_generator.dask_plan import write_plan
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.samples import SampleSource, Shard
from synthseg_generator.stream import StreamSettings, open_stream
from synthseg_generator.stream_worker import MapCache, cut_sample

CACHE_BYTES = 2**20


@pytest.fixture(scope="module")
def source(store, small_settings):
    return SampleSource(store, small_settings, seed=3)


@pytest.fixture(scope="module")
def stream(source):
    with open_stream(source, StreamSettings(workers=2, window=6)) as opened:
        yield opened


def assert_same(one, other):
    assert one.k == other.k
    np.testing.assert_array_equal(one.labels, other.labels, strict=True)
    np.testing.assert_array_equal(one.box_start, other.box_start, strict=True)
    for name, value in one.row.items():
        np.testing.assert_array_equal(other.row[name], value, err_msg=name, strict=True)


def assert_same_all(samples, source, numbers):
    samples = list(samples)
    assert [sample.k for sample in samples] == list(numbers)
    for sample in samples:
        assert_same(sample, cut_sample(source, sample.k, CACHE_BYTES))


def test_workers_give_the_samples_that_this_process_gives_in_order(stream, source):
    assert_same_all(stream.samples(Shard(count=30)), source, range(30))


def test_a_killed_worker_loses_no_sample_and_changes_none(stream, source):
    received = []
    for sample in stream.samples(Shard(count=40)):
        received.append(sample)
        if sample.k in (5, 20):
            victim = next(iter(stream.client.run(os.getpid).values()))
            os.kill(victim, signal.SIGKILL)
    assert_same_all(received, source, range(40))


def test_a_stream_restarts_at_any_sample(stream, source):
    assert_same_all(stream.samples(Shard(first=17, count=5)), source, range(17, 22))


def test_several_trainers_share_a_stream(stream, source):
    parts = [stream.samples(Shard(first=i, stride=3, count=4)) for i in range(3)]
    together = sorted((s for part in parts for s in part), key=lambda sample: sample.k)
    assert_same_all(together, source, range(12))


def test_an_abandoned_stream_can_be_followed_by_another(stream, source):
    abandoned = stream.samples(Shard())
    next(abandoned)
    abandoned.close()
    assert_same_all(stream.samples(Shard(count=3)), source, range(3))


def test_workers_import_no_tensorflow(stream):
    list(stream.samples(Shard(count=4)))
    loaded = stream.client.run(lambda: [m for m in ("tensorflow", "keras") if m in sys.modules])
    assert set(map(tuple, loaded.values())) == {()}


def test_the_dataset_holds_what_the_graph_needs(stream, source):
    from synthseg_generator.synthesis import Synthesizer

    elements = list(stream.dataset(Shard(first=2, count=3)).prefetch(1))
    assert [int(element["k"]) for element in elements] == [2, 3, 4]
    synthesizer = Synthesizer(source.settings, source.store.labels, source.map_shape)
    for element in elements:
        parameters = source.parameters(int(element["k"]))
        whole_map = source.label_map(int(parameters.map_index))
        np.testing.assert_array_equal(
            synthesizer.deform(element["labels"], element["row"], element["box_start"]),
            synthesizer.deform(whole_map, parameters.to_row()),
        )


def test_boxes_of_a_batch_may_be_padded(stream, source):
    from synthseg_generator.synthesis import Synthesizer

    (batch,) = stream.dataset(Shard(count=4)).padded_batch(4)
    synthesizer = Synthesizer(source.settings, source.store.labels, source.map_shape)
    for i in range(4):
        row = {name: value[i] for name, value in batch["row"].items()}
        parameters = source.parameters(i)
        np.testing.assert_array_equal(
            synthesizer.deform(batch["labels"][i], row, batch["box_start"][i]),
            synthesizer.deform(source.label_map(int(parameters.map_index)), parameters.to_row()),
        )


def test_a_plan_can_be_streamed(tmp_path, stream, source):
    plan = write_plan(source, 8, tmp_path / "plan.zarr")
    assert_same_all(
        type(stream)(stream.client, plan, stream.settings).samples(Shard(count=8)), source, range(8)
    )


def test_at_most_the_window_is_on_its_way(stream, monkeypatch):
    submitted = []
    submit = stream.client.submit
    monkeypatch.setattr(
        stream.client, "submit", lambda *a, **k: submitted.append(a) or submit(*a, **k)
    )
    samples = stream.samples(Shard())
    for received in range(1, 5):
        next(samples)
        assert len(submitted) <= received + stream.settings.window
    samples.close()


def test_an_error_in_a_worker_reaches_the_consumer(stream, source):
    broken = SampleSource(source.store, source.settings, source.seed)
    object.__setattr__(broken, "store", _without_data(source.store))
    failing = type(stream)(stream.client, broken, stream.settings)
    with pytest.raises(StoreError, match=r"nowhere\.zarr"):
        list(failing.samples(Shard(count=1)))


def _without_data(store):
    from dataclasses import replace

    return replace(store, path="/nowhere.zarr")


def test_a_worker_keeps_maps_within_its_memory(source):
    size = source.read_map(0).nbytes
    cache = MapCache(max_bytes=2 * size)
    first = cache.get(source, 0)
    assert cache.get(source, 0) is first
    cache.get(source, 1)
    cache.get(source, 0)
    cache.get(source, 2)  # gives up map 1, used longest ago
    assert cache.nbytes == 2 * size
    assert cache.get(source, 0) is first


def test_a_scheduler_that_does_not_answer_is_named(source, monkeypatch):
    monkeypatch.setattr("synthseg_generator.cluster.CONNECT_TIMEOUT_S", 0.5)
    with (
        pytest.raises(StoreError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        open_stream(source, StreamSettings(scheduler="tcp://127.0.0.1:9")),
    ):
        pass


@pytest.mark.parametrize("bad", [{"workers": 0}, {"window": 0}, {"cache_bytes": -1}])
def test_impossible_streams_are_refused(bad):
    with pytest.raises(ConfigError, match=rf"stream\.{next(iter(bad))}"):
        StreamSettings(**bad)


def test_images_made_in_parallel_from_boxes_are_those_made_here_from_maps(stream, source):
    from synthseg_generator.brain_generator import BrainGenerator
    from synthseg_generator.noise import voxel_noise
    from synthseg_generator.synthesis import Synthesizer

    synthesize = Synthesizer(source.settings, source.store.labels, source.map_shape)

    def render(element):
        noise = voxel_noise(element["row"]["noise_seed"], (16, 16, 16, 1))
        return synthesize(element["labels"], element["row"], noise, element["box_start"])

    made = stream.dataset(Shard(first=5, count=4)).map(render, num_parallel_calls=4)
    here = BrainGenerator.from_source(source)
    values = np.array(sorted({0, *source.store.labels.targets}))
    for k, (image, channels) in enumerate(made, start=5):
        sample = here.sample(k)
        np.testing.assert_array_equal(values[channels], sample.labels)
        np.testing.assert_allclose(image, sample.image, atol=1e-5)

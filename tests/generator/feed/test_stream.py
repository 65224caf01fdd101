"""Samples from real Dask worker processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from equal_samples import assert_same_cut
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource, Shard
from synthseg_generator.feed.stream import SampleStream, StreamSettings, open_stream
from synthseg_generator.feed.stream_worker import CutSample, cut_sample
from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.store.label_store import LabelStore, open_store


@pytest.fixture(scope="module")
def source(store: LabelStore, small_settings: GeneratorSettings) -> SampleSource:
    return SampleSource(store, small_settings, seed=3)


@pytest.fixture(scope="module")
def stream(cluster: Any, source: SampleSource) -> Iterator[SampleStream]:
    """As to workers that the user started."""
    settings = StreamSettings(scheduler=cluster.scheduler.address, window=6)
    with open_stream(source, settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def local_stream(cluster: Any, source: SampleSource) -> SampleStream:
    """As to workers that the stream started itself, with larger tasks."""
    return SampleStream(cluster, source, StreamSettings(window=6, task_samples=3))


def assert_same_all(
    samples: Iterable[CutSample], source: SampleSource, numbers: Iterable[int]
) -> None:
    samples = list(samples)
    assert [sample.k for sample in samples] == list(numbers)
    for sample in samples:
        assert_same_cut(sample, cut_sample(source, sample.k))


def test_workers_give_the_samples_that_this_process_gives_in_order(
    stream: SampleStream, source: SampleSource
) -> None:
    assert_same_all(stream.samples(Shard(count=30)), source, range(30))


def test_workers_of_this_machine_do_too(local_stream: SampleStream, source: SampleSource) -> None:
    assert_same_all(local_stream.samples(Shard(count=10)), source, range(10))


def test_a_killed_worker_loses_no_sample_and_changes_none(
    stream: SampleStream, source: SampleSource
) -> None:
    received = []
    for sample in stream.samples(Shard(count=40)):
        received.append(sample)
        if sample.k in (5, 20):
            kill(stream.client, 1)
    assert_same_all(received, source, range(40))


def test_the_death_of_every_worker_loses_no_sample_and_changes_none(
    local_stream: SampleStream, source: SampleSource
) -> None:
    received = []
    for sample in local_stream.samples(Shard(count=12)):
        received.append(sample)
        if sample.k == 4:
            kill(local_stream.client, 4)
    assert_same_all(received, source, range(12))


def kill(client: Any, count: int | None) -> None:
    """Ends workers as the kernel ends them when memory runs out: at once, unasked."""
    # One that died a moment ago may still be listed: it does not answer.
    alive = list(client.run(os.getpid, on_error="ignore").values())
    assert alive
    for process in alive[:count]:
        os.kill(process, signal.SIGKILL)


def test_workers_read_maps_from_a_web_server(
    local_stream: SampleStream, source: SampleSource, store_url: str
) -> None:
    remote = SampleSource(open_store(store_url), source.settings, source.seed)
    stream = SampleStream(local_stream.client, remote, local_stream.settings)
    assert_same_all(stream.samples(Shard(count=6)), source, range(6))


def test_a_stream_restarts_at_any_sample(stream: SampleStream, source: SampleSource) -> None:
    assert_same_all(stream.samples(Shard(first=17, count=5)), source, range(17, 22))


def test_several_trainers_share_a_stream(stream: SampleStream, source: SampleSource) -> None:
    parts = [stream.samples(Shard(first=i, stride=3, count=4)) for i in range(3)]
    together = sorted((s for part in parts for s in part), key=lambda sample: sample.k)
    assert_same_all(together, source, range(12))


def test_an_abandoned_stream_can_be_followed_by_another(
    stream: SampleStream, source: SampleSource
) -> None:
    abandoned = stream.samples(Shard())
    next(abandoned)
    abandoned.close()
    assert_same_all(stream.samples(Shard(count=3)), source, range(3))


def test_workers_import_no_tensorflow(stream: SampleStream) -> None:
    list(stream.samples(Shard(count=4)))
    loaded = stream.client.run(lambda: [m for m in ("tensorflow", "keras") if m in sys.modules])
    assert set(map(tuple, loaded.values())) == {()}


def test_a_dataset_starts_anew_whenever_it_is_iterated(stream: SampleStream) -> None:
    dataset = stream.dataset(Shard(first=2, count=3)).prefetch(1)
    for _ in range(2):
        assert [int(element["k"]) for element in dataset] == [2, 3, 4]


def test_boxes_of_a_batch_may_be_padded(stream: SampleStream, source: SampleSource) -> None:
    from synthseg_generator.graph.synthesizer import Synthesizer

    (batch,) = stream.dataset(Shard(count=2)).padded_batch(2)
    synthesizer = Synthesizer(source.settings, source.store.labels, source.map_shape)
    for i in range(2):
        row = {name: value[i] for name, value in batch["row"].items()}
        parameters = source.parameters(i)
        np.testing.assert_array_equal(
            synthesizer.deform(batch["labels"][i], row, batch["box_start"][i]),
            synthesizer.deform(source.label_map(int(parameters.map_index)), parameters.to_row()),
        )


def test_a_plan_can_be_streamed(tmp_path: Path, stream: SampleStream, source: SampleSource) -> None:
    plan = write_plan(source, 8, tmp_path / "plan.zarr")
    assert_same_all(
        type(stream)(stream.client, plan, stream.settings).samples(Shard(count=8)), source, range(8)
    )


def test_at_most_the_window_is_on_its_way(
    stream: SampleStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[tuple[Any, ...]] = []
    submit = stream.client.submit

    def note(*arguments: Any, **options: Any) -> Any:
        submitted.append(arguments)
        return submit(*arguments, **options)

    monkeypatch.setattr(stream.client, "submit", note)
    samples = stream.samples(Shard())
    next(samples)
    del submitted[0]  # what the tasks share
    for received in range(2, 6):
        next(samples)
        assert 2 * len(submitted) <= received + 1 + stream.settings.window
    samples.close()


def test_an_error_in_a_worker_reaches_the_consumer(
    stream: SampleStream, source: SampleSource
) -> None:
    broken = SampleSource(source.store, source.settings, source.seed)
    object.__setattr__(broken, "store", _without_data(source.store))
    failing = type(stream)(stream.client, broken, stream.settings)
    with pytest.raises(StoreError, match=r"nowhere\.zarr"):
        list(failing.samples(Shard(count=1)))


def _without_data(store: LabelStore) -> LabelStore:
    from dataclasses import replace

    return replace(store, path="/nowhere.zarr")


def test_a_scheduler_that_does_not_answer_is_named(
    source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_generator.cluster.connection.CONNECT_TIMEOUT_S", 0.5)
    with (
        pytest.raises(StoreError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        open_stream(source, StreamSettings(scheduler="tcp://127.0.0.1:9")),
    ):
        pass


@pytest.mark.parametrize(
    "bad",
    [
        {"workers": 0},
        {"window": 0},
        {"task_samples": 0},
        {"task_samples": 4, "window": 3},
        {"cache_bytes": -1},
    ],
)
def test_impossible_streams_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"stream\.{next(iter(bad))}"):
        StreamSettings(**bad)

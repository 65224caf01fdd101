"""Samples for training, prepared by Dask workers and fed to `tf.data`.

Workers read label maps from the Zarr store, keep them in memory, draw (or look up in a plan) the
parameters of sample k, and cut the box of the map that the sample can look at. The consumer gets
samples in the order of its shard, whatever the number of workers, so a training restarts at any
sample by starting a shard there, and several trainers share a stream by strided shards.

At most `window` samples are on their way. A worker that dies loses nothing: its samples are
prepared again, equal to the bit, by another. Results go from worker to consumer directly, not
through the scheduler, and the labels travel compressed, to about an eighth.

Memory: a worker holds `cache_bytes` of maps and the boxes of one task. Consumer and workers
together hold `window` compressed samples, about 1.1 MB each for 160³ crops of 256³ maps (18 MB by
default), and the consumer opens one at a time (8.5 MB on average, a whole map of 16.8 MB at most).

Importing this module loads neither TensorFlow nor Dask.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from synthseg_generator.cluster.connection import open_cluster
from synthseg_generator.cluster.jobs import WORKERS_WAIT_S, run_ordered
from synthseg_generator.errors import ConfigError
from synthseg_generator.feed.element_errors import remember_errors
from synthseg_generator.feed.map_cache import DEFAULT_CACHE_BYTES
from synthseg_generator.feed.samples import SampleSource, Shard
from synthseg_generator.feed.stream_worker import CutSample, cut_samples, unpack

if TYPE_CHECKING:
    import tensorflow as tf
    from distributed import Client


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How samples are prepared.

    Attributes:
        workers: Worker processes to start.
        scheduler: Address of a running Dask scheduler (`tcp://host:port`) to use instead.
        window: Samples on their way at any time; more even out the workers and cost memory.
        task_samples: Samples that a worker prepares at a time, at most `window`; more cost the
            scheduler less.
        cache_bytes: Memory in which each worker process keeps label maps.
        wait_s: How long to wait while the scheduler has no worker.
    """

    workers: int = 2
    scheduler: str | None = None
    window: int = 16
    task_samples: int = 2
    cache_bytes: int = DEFAULT_CACHE_BYTES
    wait_s: float = WORKERS_WAIT_S

    def __post_init__(self) -> None:
        """Refuses streams that could not run.

        Raises:
            ConfigError: No worker, no window, or a negative cache.
        """
        for name in ("workers", "window", "task_samples"):
            if getattr(self, name) < 1:
                raise ConfigError(f"stream.{name} must be at least 1, got {getattr(self, name)}.")
        if self.task_samples > self.window:
            raise ConfigError(
                f"stream.task_samples must be at most stream.window, {self.window}, "
                f"got {self.task_samples}."
            )
        if self.cache_bytes < 0:
            raise ConfigError(f"stream.cache_bytes must not be negative, got {self.cache_bytes}.")


class SampleStream:
    """An open stream: iterate over it, or take its dataset; both as often as wanted.

    Args:
        client: A `distributed.Client`.
        source: Which samples.
        settings: How they are prepared.
    """

    def __init__(self, client: Client, source: SampleSource, settings: StreamSettings) -> None:
        self.client = client
        self.source = source
        self.settings = settings

    def samples(self, shard: Shard) -> Generator[CutSample, None, None]:
        """The samples of a shard, in its order.

        Raises:
            StoreError: The cluster is gone, or a label map cannot be read.
        """
        settings = self.settings
        jobs = ((numbers,) for numbers in _batched(shard, settings.task_samples))
        shared = (self.source, settings.cache_bytes)
        window = settings.window // settings.task_samples
        for samples in run_ordered(self.client, cut_samples, jobs, window, shared, settings.wait_s):
            yield from map(unpack, samples)

    def dataset(self, shard: Shard) -> tf.data.Dataset:
        """The samples of a shard as a `tf.data.Dataset`, starting anew whenever it is iterated.

        Boxes differ in size: batch them with `padded_batch`; what it adds is never looked at.

        Returns:
            Elements `{"k": int64, "labels": [x, y, z], "box_start": int32 [3], "row": {...}}`.
        """
        import tensorflow as tf

        def elements() -> Iterator[dict[str, Any]]:
            for sample in self.samples(shard):
                yield sample._asdict()

        row = self.source.parameters(0).to_row()
        signature = {
            "k": tf.TensorSpec((), tf.int64),
            "labels": tf.TensorSpec((None, None, None), self.source.store.table.id_dtype),
            "box_start": tf.TensorSpec((3,), tf.int32),
            "row": {
                name: tf.TensorSpec(np.shape(value), np.asarray(value).dtype)
                for name, value in row.items()
            },
        }
        return tf.data.Dataset.from_generator(remember_errors(elements), output_signature=signature)


@contextmanager
def open_stream(
    source: SampleSource, settings: StreamSettings | None = None
) -> Iterator[SampleStream]:
    """Opens a stream: starts worker processes, or connects to a scheduler, until it is closed.

    Args:
        source: Which samples: drawn from a seed, or planned.
        settings: How they are prepared.

    Yields:
        The stream.

    Raises:
        ConfigError: The settings of the generative model do not fit the label maps.
        StoreError: The scheduler does not answer.
    """
    settings = settings or StreamSettings()
    source.parameters(0)  # what does not fit shows here, before any worker starts
    with open_cluster(settings.workers, settings.scheduler) as client:
        yield SampleStream(client, source, settings)


def _batched(numbers: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    iterator = iter(numbers)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch

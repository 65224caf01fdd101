"""Where samples come from: this process, or Dask workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf
from synthseg_generator.samples import SampleSource, Shard, sample_dataset
from synthseg_generator.scan_samples import ScanSampleSource, scan_dataset

Feed = Callable[[SampleSource, Shard], tf.data.Dataset]
"""Makes the dataset of a shard; its elements are those of `synthseg_generator.samples`."""


def local_feed(source: SampleSource, shard: Shard) -> tf.data.Dataset:
    """Samples that this process prepares: of label maps, or of the scans beside them."""
    if isinstance(source, ScanSampleSource):
        return scan_dataset(source, shard)
    return sample_dataset(source, shard)


@contextmanager
def open_feed(workers: int = 0, scheduler: str | None = None) -> Iterator[Feed]:
    """Opens the source of samples of a run.

    Args:
        workers: Dask worker processes to start; with 0 this process prepares the samples.
        scheduler: Address of a running Dask scheduler to use instead.

    Yields:
        The feed, open as long as the context is.

    Raises:
        StoreError: The scheduler does not answer.
    """
    if workers == 0 and scheduler is None:
        yield local_feed
        return
    from synthseg_generator.cluster import open_cluster
    from synthseg_generator.stream import SampleStream, StreamSettings

    settings = StreamSettings(workers=max(workers, 1), scheduler=scheduler)
    with open_cluster(settings.workers, settings.scheduler) as client:

        def feed(source: SampleSource, shard: Shard) -> tf.data.Dataset:
            if isinstance(source, ScanSampleSource):
                return scan_dataset(source, shard, client, settings)
            return SampleStream(client, source, settings).dataset(shard)

        yield feed

"""Where samples come from: this process, or Dask workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf
from synthseg_generator.feed.samples import SampleSource, Shard, make_sample_dataset
from synthseg_generator.scans.samples import ScanSampleSource, make_scan_dataset

from synthseg_trainer.aliases import Batch, Tensor
from synthseg_trainer.training.peers import DEFAULT_WAIT_S

Feed = Callable[[SampleSource, Shard], tf.data.Dataset]
"""Makes the dataset of a shard; its elements are those of `synthseg_generator.feed.samples`."""
_VOLUMES = ("labels", "scan")


def local_feed(source: SampleSource, shard: Shard) -> tf.data.Dataset:
    """Samples that this process prepares: of label maps, or of the scans beside them."""
    if isinstance(source, ScanSampleSource):
        return _of_one_size(make_scan_dataset(source, shard), source.map_shape)
    return make_sample_dataset(source, shard)


@contextmanager
def open_feed(
    workers: int = 0, scheduler: str | None = None, wait_s: float = DEFAULT_WAIT_S
) -> Iterator[Feed]:
    """Opens the source of samples of a run.

    Args:
        workers: Dask worker processes to start; with 0 this process prepares the samples.
        scheduler: Address of a running Dask scheduler to use instead.
        wait_s: How long to wait for Dask workers while there are none.

    Yields:
        The feed, open as long as the context is.

    Raises:
        StoreError: The scheduler does not answer, or its address is none.
    """
    if workers == 0 and scheduler is None:
        yield local_feed
        return
    from synthseg_generator.cluster.connection import open_cluster
    from synthseg_generator.feed.stream import SampleStream, StreamSettings

    settings = StreamSettings(workers=max(workers, 1), scheduler=scheduler, wait_s=wait_s)
    with open_cluster(settings.workers, settings.scheduler) as client:

        def feed(source: SampleSource, shard: Shard) -> tf.data.Dataset:
            if isinstance(source, ScanSampleSource):
                samples = make_scan_dataset(source, shard, client, settings)
            else:
                samples = SampleStream(client, source, settings).dataset(shard)
            return _of_one_size(samples, source.map_shape)

        yield feed


def _of_one_size(samples: tf.data.Dataset, map_shape: Sequence[int]) -> tf.data.Dataset:
    """Pads boxes of maps and scans to the whole map; what that adds is never looked at.

    A step is traced for one size: boxes of many would be as many graphs, each traced when it is
    first met, and several machines wait for each other for ever if their graphs differ in number.
    """

    def pad(element: Batch) -> dict[str, Tensor]:
        volumes = {name: element[name] for name in _VOLUMES if name in element}
        return {**element, **{name: _padded(v, map_shape) for name, v in volumes.items()}}

    return samples.map(pad)


def _padded(box: Tensor, map_shape: Sequence[int]) -> Tensor:
    """`[x, y, z, ...]` with zeros after the end, of the shape `map_shape` along x, y, z."""
    after = tf.constant(map_shape) - tf.shape(box)[:3]
    sides = [(0, after[axis]) if axis < 3 else (0, 0) for axis in range(len(box.shape))]
    return tf.ensure_shape(tf.pad(box, sides), (*map_shape, *box.shape[3:]))

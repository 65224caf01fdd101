"""What a Dask worker does for a stream: parameters of samples, and the boxes of the maps they need.

NumPy and Zarr only; a worker never imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from synthseg_common.arrays import Int32Array

from synthseg_generator.arrays import LabelIds, Row
from synthseg_generator.feed.samples import SampleSource

# Label boxes shrink to an eighth, in about the time that it takes to send what is saved to another
# process of the same machine; on a network, and in memory while they wait, they save far more.
_CODEC = {"cname": "lz4", "clevel": 5, "shuffle": 0}


class CutSample(NamedTuple):
    """All that the graph needs for one sample.

    Attributes:
        k: Number of the sample.
        labels: Unsigned integers `[x, y, z]`: the box of the map, indices into the label table.
        box_start: int32 `[3]`, first voxel of the box in the map.
        row: `SampleParameters.to_row()`.
    """

    k: int
    labels: LabelIds
    box_start: Int32Array
    row: Row


class PackedSample(NamedTuple):
    """A `CutSample` whose labels are compressed for the way; `unpack` opens it."""

    sample: CutSample
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def cut_sample(source: SampleSource, k: int) -> CutSample:
    """Prepares sample `k`: the same whichever process does it, however often.

    Raises:
        ConfigError: The settings do not fit the label maps.
        StoreError: The label map or the plan cannot be read.
    """
    parameters = source.parameters(k)
    box = source.needed_box(parameters)
    label_map = source.label_map(int(parameters.map_index))
    return CutSample(
        k=k,
        labels=np.ascontiguousarray(label_map[box.slices]),
        box_start=np.array(box.start, np.int32),
        row=parameters.to_row(),
    )


def cut_samples(
    source: SampleSource, cache_bytes: int, numbers: Sequence[int]
) -> list[PackedSample]:
    """Prepares some samples; runs in a worker.

    Args:
        source: Which samples.
        cache_bytes: Memory for the maps that this process keeps.
        numbers: Numbers of the samples.

    Raises:
        ConfigError: The settings do not fit the label maps.
        StoreError: The label map or the plan cannot be read.
    """
    source.bound_cache(cache_bytes)
    return [pack(cut_sample(source, k)) for k in numbers]


def pack(sample: CutSample) -> PackedSample:
    """Compresses the labels of a sample."""
    from numcodecs.blosc import Blosc

    labels = sample.labels
    small = np.frombuffer(Blosc(**_CODEC).encode(labels), np.uint8)
    return PackedSample(sample._replace(labels=small), labels.shape, labels.dtype)


def unpack(sample: PackedSample) -> CutSample:
    """The sample as it was cut."""
    from numcodecs.blosc import Blosc

    labels = np.empty(sample.shape, sample.dtype)
    Blosc(**_CODEC).decode(sample.sample.labels, out=labels)
    return sample.sample._replace(labels=labels)

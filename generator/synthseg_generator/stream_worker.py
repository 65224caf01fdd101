"""What a Dask worker does for a stream: parameters of a sample, and the box of the map it needs.

NumPy and Zarr only; a worker never imports TensorFlow.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from synthseg_generator.box import needed_box
from synthseg_generator.samples import SampleSource


class CutSample(NamedTuple):
    """All that the graph needs for one sample.

    Attributes:
        k: Number of the sample.
        labels: Unsigned integers `[x, y, z]`: the box of the map, indices into the label table.
        box_start: int32 `[3]`, first voxel of the box in the map.
        row: `SampleParameters.to_row()`.
    """

    k: int
    labels: np.ndarray
    box_start: np.ndarray
    row: dict[str, np.ndarray]


class MapCache:
    """Label maps that a process keeps in memory, the least recently used given up first.

    Args:
        max_bytes: Memory of the kept maps; one is kept even if it is larger.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._maps: OrderedDict[tuple[Any, ...], np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, source: SampleSource, index: int) -> np.ndarray:
        """The padded map number `index` of a source, read if it is not kept.

        Raises:
            StoreError: It cannot be read.
        """
        key = (source.store.path, source.store.maps[index].sha256, source.map_shape)
        # Threads of one worker share the cache; a map is read once, whoever asks first.
        with self._lock:
            if key not in self._maps:
                self._maps[key] = source.read_map(index)
            self._maps.move_to_end(key)
            while len(self._maps) > 1 and self.nbytes > self.max_bytes:
                self._maps.popitem(last=False)
            return self._maps[key]

    @property
    def nbytes(self) -> int:
        """Memory of the kept maps."""
        return sum(volume.nbytes for volume in self._maps.values())


_cache = MapCache(max_bytes=0)


def cut_sample(source: SampleSource, k: int, cache_bytes: int) -> CutSample:
    """Prepares sample `k`: the same whichever worker does it, however often.

    Args:
        source: Which samples.
        k: Number of the sample.
        cache_bytes: Memory for the maps that this process keeps.

    Raises:
        ConfigError: The settings do not fit the label maps.
        StoreError: The label map or the plan cannot be read.
    """
    _cache.max_bytes = cache_bytes
    parameters = source.parameters(k)
    box = needed_box(parameters, source.settings.crop.shape)
    label_map = _cache.get(source, int(parameters.map_index))
    return CutSample(
        k=k,
        labels=np.ascontiguousarray(label_map[box.slices]),
        box_start=np.array(box.start, np.int32),
        row=parameters.to_row(),
    )

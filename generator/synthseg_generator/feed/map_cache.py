"""Label maps that a process keeps in memory, within a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from numpy.typing import NDArray

from synthseg_generator.arrays import AnyArray, Number

# 64 maps of 256³ with up to 256 labels. A map that is not kept is read again, in about 10 ms.
DEFAULT_CACHE_BYTES = 2**30


class MapCache:
    """Label maps in memory, the least recently used given up first. Threads may share it.

    Args:
        max_bytes: Memory of the kept maps; one is kept even if it is larger. May be changed.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self._maps: OrderedDict[Hashable, AnyArray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, read: Callable[[], NDArray[Number]]) -> NDArray[Number]:
        """The map of a key, read if it is not kept.

        Args:
            key: What the map is: its content, not its place in a list.
            read: Called to read it.

        Returns:
            The map; it is shared, so it is read-only.
        """
        # A map is read once, whichever thread asks first.
        with self._lock:
            if key not in self._maps:
                self._maps[key] = read()
                self._maps[key].flags.writeable = False
            self._maps.move_to_end(key)
            while len(self._maps) > 1 and self.nbytes > self.max_bytes:
                self._maps.popitem(last=False)
            return self._maps[key]

    @property
    def nbytes(self) -> int:
        """Memory of the kept maps."""
        return sum(volume.nbytes for volume in self._maps.values())


PROCESS_CACHE = MapCache()
"""The maps that the sources of this process share, where they are given no cache of their own.

It stands in the module since a Dask worker has no other place: each task brings a source of its
own, just unpacked, and what one has read the next shall find, within one bound for all.
"""

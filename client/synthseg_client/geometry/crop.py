"""Which part of a scan goes to the network, as the user asked or around the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from synthseg_common.arrays import AnyArray, BoolArray, Float32Array
from synthseg_common.contract import SIZE_MULTIPLE
from synthseg_common.triples import Triple, triple

from synthseg_client.errors import ScanError
from synthseg_client.options import Crop

_SEARCH_STEP = 4  # the head is looked for in cubes of so many voxels


@dataclass(frozen=True)
class Box:
    """A part of a volume: `start` inclusive, `stop` exclusive, per axis."""

    start: Triple
    stop: Triple

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Box:
        """All of a volume."""
        return cls((0, 0, 0), triple(shape))

    @property
    def shape(self) -> Triple:
        """Voxels per axis."""
        return triple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """For indexing."""
        x, y, z = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return x, y, z


def first_box(volume: AnyArray, crop: Crop) -> Box:
    """The part of a RAS volume `[x, y, z]` that goes to the network first."""
    if crop.size is not None:
        return centred_box(volume.shape, crop.size)
    if crop.to_content:
        return content_box(volume)
    if crop.limit is None or all(n <= crop.limit for n in volume.shape):
        return Box.whole(volume.shape)
    return head_box(volume, crop.limit)


def content_box(volume: AnyArray) -> Box:
    """What is brighter than the darkest values, in the multiples of 32 that FreeSurfer takes.

    Args:
        volume: `[x, y, z]`, 0 where it is darkest.

    Raises:
        ScanError: It is dark everywhere.
    """
    bright = volume > 0
    if not bright.any():
        raise ScanError("no voxel is brighter than the darkest ones: there is nothing to crop to.")
    start, stop = [], []
    for axis, n in enumerate(volume.shape):
        first, after = _extent(bright, axis)
        size = after - first + 1
        rounded = -(-size // SIZE_MULTIPLE) * SIZE_MULTIPLE
        start.append(max(first - (rounded - size) // 2, 0))
        stop.append(min(start[-1] + rounded, n))
    return Box(triple(start), triple(stop))


def centred_box(shape: Sequence[int], size: Sequence[int]) -> Box:
    """The middle of a volume, `size` voxels per axis or all there are."""
    start = [max(int((n - c) / 2), 0) for n, c in zip(shape, size, strict=True)]
    stop = [min(first + c, n) for first, c, n in zip(start, size, shape, strict=True)]
    return Box(triple(start), triple(stop))


def head_box(volume: AnyArray, limit: int) -> Box:
    """A box of at most `limit` voxels a side that holds the brain.

    The head is what stands out from the background in one piece. The box ends a little above its
    top, because the neck below may be of any length, and is centred on the upper part of it across.

    Args:
        volume: `[x, y, z]`, RAS, 1 mm.
        limit: Largest number of voxels per axis.
    """
    head = _head_mask(volume)
    if head is None:
        return centred_box(volume.shape, (limit,) * 3)
    top = _extent(head, axis=2)[1]
    # The upper 160 mm hold the brain; what is wider than that further down are shoulders, jaw and
    # coil.
    top_part = head.copy()
    top_part[:, :, : max(top - 160 // _SEARCH_STEP, 0)] = False
    start, stop = [], []
    for axis, n in enumerate(volume.shape):
        size = min(limit, n)
        last, first = _extent(top_part if axis < 2 else head, axis)[::-1]
        first, last = first * _SEARCH_STEP, min(last * _SEARCH_STEP, n)
        middle = (first + last) / 2
        if axis == 2 and last - first > size:
            middle = last + 2 * _SEARCH_STEP - size / 2
        begin = int(np.clip(round(middle - size / 2), 0, n - size))
        start.append(begin)
        stop.append(begin + size)
    return Box(triple(start), triple(stop))


def _extent(mask: AnyArray, axis: int) -> tuple[int, int]:
    """First index and one past the last index at which a mask is set, along an axis."""
    where = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return int(where[0]), int(where[-1]) + 1


def _head_mask(volume: AnyArray) -> BoolArray | None:
    """The largest bright piece of a coarse copy of the volume; None if nothing stands out."""
    if min(volume.shape) < _SEARCH_STEP:
        return None
    coarse = _block_means(volume)
    low, high = np.percentile(coarse, [1, 98])
    if not high > low:
        return None
    pieces, count = ndimage.label(coarse > low + 0.15 * (high - low))
    if not count:
        return None
    return np.equal(pieces, np.bincount(pieces.ravel())[1:].argmax() + 1)


def _block_means(volume: AnyArray) -> Float32Array:
    """Means of cubes of voxels; the last ones where a side is no multiple are left out."""
    blocks = [n // _SEARCH_STEP for n in volume.shape]
    whole = volume[tuple(slice(n * _SEARCH_STEP) for n in blocks)]
    shape = [size for n in blocks for size in (n, _SEARCH_STEP)]
    means: Float32Array = whole.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)
    return means


def cut_sides_touched(labels: AnyArray, box: Box, shape: Sequence[int]) -> list[tuple[int, int]]:
    """Sides of the box where structures reach the cut.

    Args:
        labels: `[x, y, z]` of the box's shape; 0 is background.
        box: Where it lies.
        shape: Shape of the volume that it was cut from.

    Returns:
        `(axis, end)` pairs, end 0 for the low and 1 for the high side.
    """
    touched = []
    for axis in range(3):
        if box.start[axis] > 0 and np.take(labels, 0, axis).any():
            touched.append((axis, 0))
        if box.stop[axis] < shape[axis] and np.take(labels, -1, axis).any():
            touched.append((axis, 1))
    return touched


def grown(box: Box, sides: Sequence[tuple[int, int]], shape: Sequence[int], step: int) -> Box:
    """The box with more room at the given sides: `step` voxels each, or what there is."""
    start, stop = list(box.start), list(box.stop)
    for axis, end in sides:
        if end:
            stop[axis] = min(stop[axis] + step, shape[axis])
        else:
            start[axis] = max(start[axis] - step, 0)
    return Box(triple(start), triple(stop))

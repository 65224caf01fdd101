"""Look-ups between voxels, and enlargements by one small matrix per axis.

Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

Tensor = Any


def make_linear_weights(positions: Tensor, size: int) -> Tensor:
    """Matrix that interpolates linearly along one axis, clamped at both ends.

    Args:
        positions: float32 `[n]`, where to look, in voxels of the source.
        size: Voxels of the source along this axis.

    Returns:
        float32 `[n, size]`; each row sums to 1.
    """
    positions = ops.clip(positions, 0.0, float(size - 1))
    nodes = ops.cast(ops.arange(size), "float32")
    return ops.maximum(1.0 - ops.abs(positions[:, None] - nodes[None, :]), 0.0)


def place_enlarged(n_out: int, n_in: int) -> Tensor:
    """Where an enlargement looks: output voxel i at `i · n_in / n_out`, no half-voxel shift.

    Returns:
        float32 `[n_out]`, voxels of the source.
    """
    return ops.cast(ops.arange(n_out), "float32") * (n_in / n_out)


def enlarge(volume: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Applies one matrix per axis.

    Args:
        volume: float32 `[i, j, k, channel]`.
        weights: For each axis float32 `[n_out, n_in]`.

    Returns:
        float32 `[x, y, z, channel]`.
    """
    x, y, z = weights
    # Smallest first: each product enlarges one axis.
    volume = ops.einsum("xi,ijkc->xjkc", x, volume)
    volume = ops.einsum("yj,xjkc->xykc", y, volume)
    return ops.einsum("zk,xykc->xyzc", z, volume)


def sample_linear(volume: Tensor, coordinates: Tensor) -> Tensor:
    """Trilinear look-up, clamped at the edges.

    Args:
        volume: `[x, y, z, channel]`.
        coordinates: float32 `[..., 3]`, voxels.

    Returns:
        float32 `[..., channel]`.
    """
    shape = ops.shape(volume)[:3]
    flat = ops.reshape(volume, (-1, volume.shape[3]))
    lower, upper, weight = [], [], []
    for axis, side in enumerate(shape):
        place = ops.clip(coordinates[..., axis], 0.0, ops.cast(side - 1, "float32"))
        floor = ops.floor(place)
        weight.append(place - floor)
        lower.append(ops.cast(floor, "int32"))
        upper.append(ops.minimum(lower[-1] + 1, side - 1))
    total: Tensor = 0.0
    for corner in range(8):
        sides = [(corner >> axis) & 1 for axis in range(3)]
        x, y, z = (upper[a] if side else lower[a] for a, side in enumerate(sides))
        share: Tensor = 1.0
        for axis, side in enumerate(sides):
            share = share * (weight[axis] if side else 1.0 - weight[axis])
        values = ops.take(flat, (x * shape[1] + y) * shape[2] + z, axis=0)
        total = total + share[..., None] * ops.cast(values, "float32")
    return total


def sample_nearest(
    labels: Tensor, coordinates: Tensor, map_shape: Sequence[int], box_start: Tensor | None = None
) -> Tensor:
    """Nearest-neighbour look-up (ties to even, as the original), clamped to the map.

    Args:
        labels: Integers `[x, y, z]`: the whole map, or the box of it that the sample needs.
        coordinates: float32 `[..., 3]`, voxels of the whole map.
        map_shape: Voxels of the whole map.
        box_start: int32 `[3]`, first voxel of the box in the map; `None` for the whole map.

    Returns:
        Integers `[...]` of the type of `labels`.
    """
    shape = ops.shape(labels)
    index: Tensor = 0
    for axis, side in enumerate(map_shape):
        place = ops.cast(ops.round(ops.clip(coordinates[..., axis], 0.0, side - 1.0)), "int32")
        if box_start is not None:
            place = ops.clip(place - box_start[axis], 0, shape[axis] - 1)
        index = index * shape[axis] + place
    return ops.take(ops.reshape(labels, (-1,)), index, axis=0)


def resize_nearest(labels: Tensor, shape: Sequence[int]) -> Tensor:
    """Shows labels with other voxels over the same region (ties to even, as the original).

    Args:
        labels: Integers `[x, y, z]` of known shape.
        shape: Voxels of the result.

    Returns:
        Integers of that shape.
    """
    for axis, (n_out, n_in) in enumerate(zip(shape, labels.shape, strict=True)):
        if n_out != n_in:
            place = ops.clip(ops.round(place_enlarged(int(n_out), int(n_in))), 0.0, n_in - 1.0)
            labels = ops.take(labels, ops.cast(place, "int32"), axis=axis)
    return labels

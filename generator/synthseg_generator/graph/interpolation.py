"""Affine, elastic warp, flip and crop as one coordinate field, computed at the crop only.

Official SynthSeg warps the whole map, then crops, then flips. Here the four are composed first and
labels are looked up once, at the voxels that are kept. Every enlargement is linear and separable,
so it is one small matrix per axis. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

Tensor = Any


def linear_weights(positions: Tensor, size: int) -> Tensor:
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


def resize_positions(n_out: int, n_in: int) -> Tensor:
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


def integrate_velocity(
    velocity: Tensor, nodes_per_voxel: Sequence[float], squarings: int
) -> Tensor:
    """Displacement after unit time of a stationary velocity field, by scaling and squaring.

    Args:
        velocity: float32 `[i, j, k, 3]`, voxels of some grid.
        nodes_per_voxel: For each axis, nodes of `velocity` per voxel of that grid; 1 when they are
            the same.
        squarings: Doublings; 7 in the original.

    Returns:
        float32 `[i, j, k, 3]`, in the unit of `velocity`.

    References:
        Arsigny et al. 2006, doi:10.1007/11866565_113.
    """
    axes = [ops.cast(ops.arange(int(side)), "float32") for side in velocity.shape[:3]]
    identity = ops.stack(ops.meshgrid(*axes, indexing="ij"), axis=-1)
    to_nodes = ops.convert_to_tensor([float(ratio) for ratio in nodes_per_voxel], "float32")
    displacement = velocity / 2**squarings
    for _ in range(squarings):
        displacement = displacement + sample_linear(
            displacement, identity + displacement * to_nodes
        )
    return displacement


def integration_shape(
    map_shape: Sequence[int], step: int, velocity_shape: Sequence[int]
) -> tuple[int, int, int]:
    """Nodes of the integration grid, never coarser than the velocity itself."""
    x, y, z = (
        max(side // step, nodes) for side, nodes in zip(map_shape, velocity_shape, strict=True)
    )
    return (x, y, z)


def displacement_nodes(
    velocity: Tensor, map_shape: Sequence[int], integration_step: int, squarings: int
) -> Tensor:
    """Integrates the drawn velocity on a coarse grid.

    Args:
        velocity: float32 `[i, j, k, 3]`, voxels of half the map's resolution.
        map_shape: Voxels of the label map.
        integration_step: Voxels of the map per node; 2 is the original's grid.
        squarings: Doublings.

    Returns:
        float32 `[i, j, k, 3]`: displacement at the nodes, to be added to voxel coordinates of the
        map (the original computes it at half the resolution and does not double it; nor does this).
    """
    nodes = integration_shape(map_shape, integration_step, velocity.shape[:3])
    half = integration_shape(map_shape, 2, velocity.shape[:3])
    weights = [
        linear_weights(resize_positions(n, int(side)), int(side))
        for n, side in zip(nodes, velocity.shape[:3], strict=True)
    ]
    ratios = [n / h for n, h in zip(nodes, half, strict=True)]
    return integrate_velocity(enlarge(velocity, weights), ratios, squarings)


def crop_coordinates(
    displacement: Tensor,
    matrix: Tensor,
    map_shape: Sequence[int],
    crop_shape: Sequence[int],
    crop_start: Tensor,
    flip: Tensor,
) -> Tensor:
    """Where each voxel of the crop comes from: flip, then crop, then displacement, then affine map.

    Flips always mirror left and right: maps are in RAS, so x is that axis. The original's layer
    takes the place in its list of axes for the axis.

    Args:
        displacement: float32 `[i, j, k, 3]` at nodes spread over the whole map.
        matrix: float32 `[3, 4]`, affine map about the centre of the map; translation in voxels.
        map_shape: Voxels of the label map.
        crop_shape: Voxels of the crop.
        crop_start: int32 `[3]`, first voxel of the crop in the warped map.
        flip: bool scalar, whether the crop is mirrored along x.

    Returns:
        float32 `[x, y, z, 3]`, voxels of the label map, not clamped.
    """
    places = []
    for axis, side in enumerate(crop_shape):
        place = ops.cast(ops.arange(side), "float32")
        if axis == 0:
            place = ops.where(flip, side - 1.0 - place, place)
        places.append(place + ops.cast(crop_start[axis], "float32"))
    weights = [
        linear_weights(place * (int(nodes) / side), int(nodes))
        for place, nodes, side in zip(places, displacement.shape[:3], map_shape, strict=True)
    ]
    # The affine map is linear, so it may be applied at the nodes, before enlarging.
    warped = enlarge(ops.einsum("ijkc,dc->ijkd", displacement, matrix[:, :3]), weights)
    centre = [(side - 1) / 2 for side in map_shape]
    offset = matrix[:, 3] + ops.convert_to_tensor(centre, "float32")
    x, y, z = (
        (place - c)[:, None] * matrix[None, :, axis]
        for axis, (place, c) in enumerate(zip(places, centre, strict=True))
    )
    return warped + (x + offset)[:, None, None] + y[None, :, None] + z[None, None, :]


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
            place = ops.clip(ops.round(resize_positions(int(n_out), int(n_in))), 0.0, n_in - 1.0)
            labels = ops.take(labels, ops.cast(place, "int32"), axis=axis)
    return labels

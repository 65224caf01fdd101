"""Affine, elastic warp, flip and crop as one coordinate field, computed at the crop only.

Official SynthSeg warps the whole map, then crops, then flips. Here the four are composed first and
labels are looked up once, at the voxels that are kept. Every enlargement is linear and separable,
so it is one small matrix per axis. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras import ops

from synthseg_generator.graph.interpolation import (
    Tensor,
    enlarge,
    make_linear_weights,
    place_enlarged,
    sample_linear,
)
from synthseg_generator.settings.ranges import Shape


@dataclass(frozen=True)
class Bend:
    """A displacement that depends on the place in the map, added after affine map and elastic warp.

    Attributes:
        nodes: Nodes at which it is evaluated, over the whole map: a multiple of those of the
            elastic displacement along each axis.
        shift: From places in the map to their displacement, both float32 `[..., 3]`, voxels.
    """

    nodes: Shape
    shift: Callable[[Tensor], Tensor]


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


def find_integration_shape(
    map_shape: Sequence[int], step: int, velocity_shape: Sequence[int]
) -> tuple[int, int, int]:
    """Nodes of the integration grid, never coarser than the velocity itself."""
    x, y, z = (
        max(side // step, nodes) for side, nodes in zip(map_shape, velocity_shape, strict=True)
    )
    return (x, y, z)


def integrate_displacement(
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
    nodes = find_integration_shape(map_shape, integration_step, velocity.shape[:3])
    half = find_integration_shape(map_shape, 2, velocity.shape[:3])
    weights = [
        make_linear_weights(place_enlarged(n, int(side)), int(side))
        for n, side in zip(nodes, velocity.shape[:3], strict=True)
    ]
    ratios = [n / h for n, h in zip(nodes, half, strict=True)]
    return integrate_velocity(enlarge(velocity, weights), ratios, squarings)


def compose_coordinates(
    displacement: Tensor,
    matrix: Tensor,
    map_shape: Sequence[int],
    crop_shape: Sequence[int],
    crop_start: Tensor,
    flip: Tensor,
    bend: Bend | None = None,
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
        bend: What is displaced after all that.

    Returns:
        float32 `[x, y, z, 3]`, voxels of the label map, not clamped.
    """
    places = []
    for axis, side in enumerate(crop_shape):
        place = ops.cast(ops.arange(side), "float32")
        if axis == 0:
            place = ops.where(flip, side - 1.0 - place, place)
        places.append(place + ops.cast(crop_start[axis], "float32"))
    # The affine map is linear, so it may be applied at the nodes, before enlarging.
    warped = ops.einsum("ijkc,dc->ijkd", displacement, matrix[:, :3])
    if bend is None:
        shown = _find_positions(warped, map_shape, places)
        return _add_affine(_enlarge_at(warped, shown), matrix, map_shape, places)
    first = [
        ops.floor_divide(crop_start[axis] * nodes, side)
        for axis, (nodes, side) in enumerate(zip(bend.nodes, map_shape, strict=True))
    ]
    bent = _bend_nodes(warped, matrix, map_shape, crop_shape, first, bend)
    shown = [
        place * (nodes / side) - ops.cast(start, "float32")
        for place, nodes, side, start in zip(places, bend.nodes, map_shape, first, strict=True)
    ]
    return _add_affine(_enlarge_at(bent, shown), matrix, map_shape, places)


def _bend_nodes(
    warped: Tensor,
    matrix: Tensor,
    map_shape: Sequence[int],
    crop_shape: Sequence[int],
    first: Sequence[Tensor],
    bend: Bend,
) -> Tensor:
    """Displacement at the nodes of a bend that the crop lies between: float32 `[i, j, k, 3]`.

    Args:
        warped: float32 `[i, j, k, 3]`, displacement after the affine map at its own nodes.
        matrix: float32 `[3, 4]`, the affine map.
        map_shape: Voxels of the label map.
        crop_shape: Voxels of the crop.
        first: int32 scalar for each axis, the bend's last node before the crop.
        bend: What is added to it.
    """
    places = []
    for start, nodes, side, shown in zip(first, bend.nodes, map_shape, crop_shape, strict=True):
        count = math.ceil((int(shown) - 1) * nodes / side) + 2
        node = ops.cast(start, "float32") + ops.cast(ops.arange(count), "float32")
        places.append(node * (side / nodes))
    finer = _enlarge_at(warped, _find_positions(warped, map_shape, places))
    return finer + bend.shift(_add_affine(finer, matrix, map_shape, places))


def _find_positions(
    nodes: Tensor, map_shape: Sequence[int], places: Sequence[Tensor]
) -> list[Tensor]:
    """Places of the warped map along each axis, counted in nodes that are spread over it."""
    return [
        place * (int(count) / side)
        for place, count, side in zip(places, nodes.shape[:3], map_shape, strict=True)
    ]


def _enlarge_at(nodes: Tensor, positions: Sequence[Tensor]) -> Tensor:
    """Interpolates between nodes, at positions along each axis that are counted in nodes."""
    weights = [
        make_linear_weights(position, int(count))
        for position, count in zip(positions, nodes.shape[:3], strict=True)
    ]
    return enlarge(nodes, weights)


def _add_affine(
    displacement: Tensor, matrix: Tensor, map_shape: Sequence[int], places: Sequence[Tensor]
) -> Tensor:
    """Adds displacements `[x, y, z, 3]` to where the affine map takes these places on each axis."""
    centre = [(side - 1) / 2 for side in map_shape]
    offset = matrix[:, 3] + ops.convert_to_tensor(centre, "float32")
    x, y, z = (
        (place - c)[:, None] * matrix[None, :, axis]
        for axis, (place, c) in enumerate(zip(places, centre, strict=True))
    )
    return displacement + (x + offset)[:, None, None] + y[None, :, None] + z[None, None, :]

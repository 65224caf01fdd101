"""Affine, elastic warp, flip and crop as one coordinate field, computed at the crop only.

Official SynthSeg warps the whole map, then crops, then flips. Here the four are composed first and
labels are looked up once, at the voxels that are kept. Every enlargement is linear and separable,
so it is one small matrix per axis. Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from synthseg_generator.graph.interpolation import (
    Tensor,
    enlarge,
    make_linear_weights,
    place_enlarged,
    sample_linear,
)


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
        make_linear_weights(place * (int(nodes) / side), int(nodes))
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

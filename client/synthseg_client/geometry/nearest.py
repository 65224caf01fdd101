"""Nearest voxels of another grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from synthseg_common.arrays import AnyArray, Int32Array, Int64Array

from synthseg_client.geometry.grids import ResultGrid

Voxels = tuple[Int64Array, Int64Array, Int64Array]


def nearest_voxels(
    voxels: Int64Array, affine: AnyArray, other_affine: AnyArray, other_shape: Sequence[int]
) -> Voxels:
    """For voxels of one grid the nearest of another, for indexing.

    Args:
        voxels: int64 `[3, n]`: indices into the one grid.
        affine: float64 `[4, 4]` of that grid: voxel indices to mm.
        other_affine: That of the other grid.
        other_shape: Its shape.
    """
    change = np.linalg.inv(other_affine) @ affine
    moved = change[:3, :3] @ voxels + change[:3, 3:]
    last = np.reshape(other_shape, (3, 1)) - 1
    x, y, z = np.clip(np.floor(moved + 0.5).astype(np.int64), 0, last)
    return x, y, z


def as_freesurfer_samples(labels: Int32Array, grid: ResultGrid) -> Int32Array:
    """A label map at 1 mm on the scan's own grid, as FreeSurfer's `mri_synthseg --keepgeom` has it.

    It takes the nearest voxel, but none whose position is below 0 on an axis, even if it lies
    within the first voxel.

    Args:
        labels: int32 `[x, y, z]` on the grid of `Prepared.native`.
        grid: Of the result.
    """
    shape = grid.prepared.scan.image.shape
    change = (np.linalg.inv(grid.prepared.affine) @ grid.prepared.scan.affine).astype(np.float32)
    found = np.zeros(shape, np.int32)
    size = np.reshape(labels.shape, (3, 1))
    for x in range(shape[0]):
        y, z = (index.ravel() for index in np.indices(shape[1:]))
        voxels = np.stack([np.full(len(y), x), y, z]).astype(np.float32)
        moved = change[:3, :3] @ voxels + change[:3, 3:]
        inside = np.all((moved >= 0) & (moved < size), axis=0)
        rounded = np.minimum(np.floor(moved[:, inside] + 0.5).astype(np.int64), size - 1)
        found[x, y[inside], z[inside]] = labels[tuple(rounded)]
    return found

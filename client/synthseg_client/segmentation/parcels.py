"""Cortical parcels on the grid of the result, and their volumes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from synthseg_common.arrays import Float64Array, Int32Array
from synthseg_common.parcels import LEFT_CORTEX, PARCELS_PER_SIDE, RIGHT_CORTEX

from synthseg_client.geometry.grids import ResultGrid
from synthseg_client.geometry.nearest import nearest_voxels
from synthseg_client.model import Model
from synthseg_client.results.volume_table import structure_volumes, total_of


def with_parcels(labels: Int32Array, parcels: Int32Array, grid: ResultGrid) -> Int32Array:
    """A label map whose cortex is divided.

    Args:
        labels: int32 `[x, y, z]` on the result's grid.
        parcels: int32 `[x, y, z]` on the grid of the part that was segmented, 0 outside the cortex.
        grid: The result's.

    Returns:
        int32 `[x, y, z]` on the result's grid. Where that is the scan's own, a voxel of cortex
        takes the nearest parcel of its hemisphere.
    """
    return with_placed_parcels(labels, grid.placed(parcels), grid)


def with_placed_parcels(labels: Int32Array, placed: Int32Array, grid: ResultGrid) -> Int32Array:
    """The same, of parcels over the whole scan.

    Args:
        labels: int32 `[x, y, z]` on the result's grid.
        placed: int32 `[x, y, z]` on the grid that the network saw, whole; 0 outside the cortex.
        grid: The result's.
    """
    divided = labels.copy()
    if grid.is_native:
        cortex = (labels == LEFT_CORTEX) | (labels == RIGHT_CORTEX)
        divided[cortex] = placed[cortex]
        return divided
    for value, first in ((LEFT_CORTEX, 1000), (RIGHT_CORTEX, 2000)):
        where = np.nonzero(labels == value)
        side = np.where(placed // 1000 == first // 1000, placed, 0)
        if len(where[0]) and side.any():
            voxels = nearest_voxels(
                np.stack(where), grid.affine, grid.prepared.affine, placed.shape
            )
            divided[where] = _spread(side)[voxels]
    return divided


def _spread(parcels: Int32Array) -> Int32Array:
    """Every voxel with the value of the nearest that has one."""
    nearest = ndimage.distance_transform_edt(
        parcels == 0, return_distances=False, return_indices=True
    )
    spread: Int32Array = parcels[tuple(nearest)]
    return spread


def parcel_volumes_mm3(
    voxels: Float64Array, sums: Float64Array, voxel_mm3: float, model: Model, *, as_original: bool
) -> Float64Array:
    """Volumes of the parcels, which fill the cortex.

    Args:
        voxels: float64 `[1 + 68]`: how much there is of each parcel; background first.
        sums: float64 `[label]`: summed probabilities of the segmentation, in voxels.
        voxel_mm3: Volume of a voxel.
        model: Whose labels the segmentation has.
        as_original: Scale both hemispheres by one factor, to what the original takes for the cortex
            (in 2.0 that is white matter: its index is one off).

    Returns:
        float64 `[68]`, mm³: those of one side sum to that side's cortex; 0 where nothing was found.
    """
    found = np.asarray(voxels, np.float64)[1:]
    structures = structure_volumes(sums, voxel_mm3)
    places = [model.label_values.tolist().index(value) for value in (LEFT_CORTEX, RIGHT_CORTEX)]
    if as_original:
        columns = [total_of(structures), *structures] if model.has_csf else [*structures]
        cortex = sum(columns[place - 1] for place in places)
        return found * (cortex / found.sum() if found.sum() > 0 else 0.0)
    sides = (found[:PARCELS_PER_SIDE], found[PARCELS_PER_SIDE:])
    scaled = [
        side * (structures[place - 1] / side.sum() if side.sum() > 0 else 0.0)
        for side, place in zip(sides, places, strict=True)
    ]
    return np.concatenate(scaled)

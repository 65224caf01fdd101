"""The label map of cleaned posteriors, on any grid of the scan."""

from __future__ import annotations

from synthseg_common.arrays import Int32Array

from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.geometry.grids import ResultGrid
from synthseg_client.geometry.nearest import as_freesurfer_samples
from synthseg_client.model import Model
from synthseg_client.segmentation.parcels import with_parcels


def label_map(
    grid: ResultGrid,
    clean: CleanPosteriors,
    model: Model,
    parcels: Int32Array | None = None,
    *,
    as_original: bool = False,
) -> Int32Array:
    """The most probable label of every voxel.

    Args:
        grid: To make it on.
        clean: Cleaned posteriors of the part that was segmented.
        model: Whose labels they are.
        parcels: int32 `[x, y, z]` of that part, 0 outside the cortex; None leaves it whole.
        as_original: On the scan's own grid, take labels at 1 mm as FreeSurfer does.

    Returns:
        int32 `[x, y, z]` on the grid.
    """
    sampled = as_original and not grid.is_native
    made_on = grid.at_1_mm() if sampled else grid
    labels: Int32Array = model.label_values[made_on.best_channels(clean, model.n_labels)]
    if parcels is not None:
        labels = with_parcels(labels, parcels, made_on)
    return as_freesurfer_samples(labels, grid) if sampled else labels

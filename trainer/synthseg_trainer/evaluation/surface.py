"""Distances between the surfaces of two segmentations of one scan.

A structure's surface are its voxels that touch something else through a face. From each of them the
nearest voxel of the other surface is looked for, both ways; percentiles are taken over all these
distances together (the 100th is the Hausdorff distance), the mean is that of the two directions'
means.

`original_distances` gives the original's numbers. It measures in voxels and, before it looks for
the surfaces, cuts both structures to their common bounding box without the last plane of each axis;
where a structure meets the cut it has no surface. Two cuboids whose corners are 5.4 voxels apart
are 4.1 apart for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from synthseg_common.arrays import BoolArray, FloatArray

from synthseg_trainer.aliases import LabelArray

DISTANCES = ("hausdorff", "hausdorff_99", "hausdorff_95", "mean_distance")
"""Names of the distances, as the original calls its files."""
_PERCENTILES = (100, 99, 95)
_NOWHERE = np.iinfo(np.int32).min


def surface_distances(
    truth: LabelArray, answer: LabelArray, labels: Sequence[int], affine: FloatArray
) -> FloatArray:
    """Distances of each label between two label maps on one grid.

    Args:
        truth: int32 `[x, y, z]`.
        answer: Of the same shape.
        labels: Label values, in any order.
        affine: `[3, 3]` or `[4, 4]`, voxels to mm, of any voxel size and direction; an identity
            gives voxels.

    Returns:
        float64 `[label, 4]` in the order of `DISTANCES`, in mm; NaN where one of the maps lacks the
        label.
    """
    if 0 not in labels:
        truth, answer = (volume[_box(truth != 0, answer != 0)] for volume in (truth, answer))
    first, second = (_surface_points(v, labels, affine[:3, :3]) for v in (truth, answer))
    return np.array([_distances(a, b) for a, b in zip(first, second, strict=True)])


def original_distances(truth: BoolArray, answer: BoolArray) -> FloatArray:
    """The original's distances between two masks of one shape.

    Returns:
        float64 `[4]` in the order of `DISTANCES`, in voxels; the longest side of the volume where
        one of the masks is empty.
    """
    from scipy.ndimage import distance_transform_edt

    if not truth.any() or not answer.any():
        return np.full(len(DISTANCES), float(max(truth.shape)))
    box = tuple(slice(part.start, part.stop - 1) for part in _box(truth, answer))
    edges = [distance_transform_edt(mask[box]) == 1 for mask in (truth, answer)]
    maps = [distance_transform_edt(~edge) for edge in edges]
    return _summary(maps[1][edges[0]], maps[0][edges[1]])


def _distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Distances between two sets of points, `[n, 3]` each."""
    from scipy.spatial import cKDTree

    if not len(first) or not len(second):
        return np.full(len(DISTANCES), np.nan)
    one, other = (cKDTree(points, balanced_tree=False) for points in (first, second))
    pairs = ((other, first), (one, second))
    there, back = (np.asarray(tree.query(points)[0]) for tree, points in pairs)
    return _summary(there, back)


def _summary(there: FloatArray, back: FloatArray) -> FloatArray:
    if not len(there) or not len(back):
        return np.full(len(DISTANCES), np.nan)
    both = np.concatenate([there, back])
    return np.array([*np.percentile(both, _PERCENTILES), (there.mean() + back.mean()) / 2])


def _box(first: BoolArray, second: BoolArray) -> tuple[slice, ...]:
    """Bounding box of two masks together; everything where both are empty."""
    mask = first | second
    if not mask.any():
        return (slice(None),) * mask.ndim
    sides = (np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(side[0]), int(side[-1]) + 1) for side in sides)


def _surface_points(
    volume: LabelArray, labels: Sequence[int], directions: FloatArray
) -> list[FloatArray]:
    """float64 `[n, 3]` per label: centres in mm of its voxels that touch something else."""
    padded = np.pad(volume, 1, constant_values=_NOWHERE)
    inner = (slice(1, -1),) * 3
    on_surface = np.zeros(volume.shape, bool)
    for axis in range(3):
        for side in (slice(0, -2), slice(2, None)):
            neighbour = padded[(*inner[:axis], side, *inner[axis + 1 :])]
            on_surface |= neighbour != volume
    indices = np.argwhere(on_surface)
    values = volume[on_surface]
    order = np.argsort(values, kind="stable")
    first, last = (np.searchsorted(values[order], labels, side=s) for s in ("left", "right"))
    return [
        indices[order[a:b]].astype(np.float64) @ directions.T.astype(np.float64)
        for a, b in zip(first, last, strict=True)
    ]

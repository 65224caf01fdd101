"""Dice of label maps on one grid, by structure, for the shipped model's labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from synthseg_common.labels import CSF, SYNTHSEG_V2
from synthseg_trainer.evaluation.overlap import dice_scores

STRUCTURES = SYNTHSEG_V2.values[1:]
WITHOUT_CSF = tuple(value for value in STRUCTURES if value != CSF)
_PARCELS = {1: 3, 2: 42}  # thousands of a parcel's value: the cortex of its side

Labels = NDArray[np.integer]
Dice = dict[int, float]
"""By label value; not a number where neither map has it."""


def read_labels(image: nib.spatialimages.SpatialImage) -> nib.Nifti1Image:
    """Canonical axes, int16, cortical parcels merged into the cortex of their side."""
    canonical = nib.as_closest_canonical(image)
    labels = np.asarray(canonical.dataobj).astype(np.int16)
    for thousand, cortex in _PARCELS.items():
        labels[labels // 1000 == thousand] = cortex
    return nib.Nifti1Image(labels, canonical.affine)


def on_grid(
    labels: Labels, affine: NDArray[np.float64], shape: tuple[int, ...], like: NDArray[np.float64]
) -> Labels:
    """Label maps looked up at the nearest voxel of another grid; 0 outside.

    Args:
        labels: Integers `[x, y, z]`.
        affine: `[4, 4]`, of `labels`.
        shape: Of the other grid.
        like: `[4, 4]`, of the other grid.
    """
    matrix = np.linalg.inv(affine) @ like
    scales, offsets = np.diag(matrix)[:3], matrix[:3, 3]
    if not np.allclose(matrix[:3, :3], np.diag(scales), atol=1e-5):
        turned: Labels = ndimage.affine_transform(
            labels, matrix[:3, :3], offsets, output_shape=shape, order=0
        )
        return turned
    found = np.zeros(shape, labels.dtype)
    places = [
        np.rint(s * np.arange(n) + o).astype(int)
        for s, n, o in zip(scales, shape, offsets, strict=True)
    ]
    inside = [
        np.flatnonzero((at >= 0) & (at < n)) for at, n in zip(places, labels.shape, strict=True)
    ]
    there = [at[kept] for at, kept in zip(places, inside, strict=True)]
    found[np.ix_(*inside)] = labels[np.ix_(*there)]
    return found


def placed(labels: nib.Nifti1Image, place: NDArray[np.float64]) -> nib.Nifti1Image:
    """A label map where `place` says that another scan lies in it: RAS mm of that to its own."""
    return nib.Nifti1Image(np.asarray(labels.dataobj), np.linalg.inv(place) @ labels.affine)


def dice(truth: nib.Nifti1Image, answer: nib.Nifti1Image) -> Dice:
    """Dice of each structure on the grid of `truth`, both as `read_labels` gives them."""
    looked_up = on_grid(np.asarray(answer.dataobj), answer.affine, truth.shape, truth.affine)
    scores = dice_scores(np.asarray(truth.dataobj), looked_up, STRUCTURES)
    return dict(zip(STRUCTURES, map(float, scores), strict=True))


def mean_of(scores: Mapping[int, float], values: Iterable[int] = STRUCTURES) -> float:
    """Mean over the structures that are in one map or the other; not a number without any."""
    present = [scores[value] for value in values if not np.isnan(scores[value])]
    return float(np.mean(present)) if present else float("nan")


def sideless(name: str) -> str:
    """A structure's name without its side."""
    return name.removeprefix("left ").removeprefix("right ")


def by_structure() -> dict[str, list[int]]:
    """Label values by the name without sides."""
    found: dict[str, list[int]] = {}
    for name, value in zip(SYNTHSEG_V2.names[1:], STRUCTURES, strict=True):
        found.setdefault(sideless(name), []).append(value)
    return found

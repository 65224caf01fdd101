"""Connected components: what cannot be true goes, and what is left sums to 1.

The rules are the original's (Billot et al. 2023, doi:10.1016/j.media.2023.102789): only the largest
piece of brain counts; with topological classes, only the largest piece of each class, found on the
padded network grid; in the fast variant no classes but a higher threshold per label, on the image's
own grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from synthseg_common import contract
from synthseg_common.arrays import BoolArray, Int32Array, Int64Array

from synthseg_client.answers.evidence import Evidence
from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.model import Model


def clean_up(evidence: Evidence, model: Model, *, fast: bool) -> CleanPosteriors:
    """Removes what cannot be true and scales the rest to sum to 1.

    Args:
        evidence: From `read_evidence`.
        model: Whose channels they are.
        fast: The fast variant: no topological classes.
    """
    fast = fast or not model.topology_classes.any()
    found = evidence.unpadded() if fast else evidence
    # A brain is one piece. Organs need not touch: there only topological classes say what is one.
    if model.is_brain:
        found = found.part(in_largest_piece(found.voxels, found.grid))
    if fast:
        found = found.where((found.probability > contract.FAST_THRESHOLD) | (found.channels == 0))
    else:
        found = found.where(_class_pieces(found, model.topology_classes)).unpadded()
    return _normalised(found)


def in_largest_piece(voxels: Int64Array, grid: Sequence[int]) -> BoolArray:
    """Which voxels belong to the largest piece that shares faces; the first of several such.

    Args:
        voxels: int64 `[n]`: flat indices into the grid, ascending.
        grid: Shape of the grid.

    Returns:
        bool `[n]`.
    """
    if not len(voxels):
        return np.zeros(0, bool)
    where = np.unravel_index(voxels, tuple(grid))
    low = [int(w.min()) for w in where]
    inner = tuple(w - a for w, a in zip(where, low, strict=True))
    box = np.zeros([int(w.max()) + 1 for w in inner], bool)
    box[inner] = True
    pieces, count = ndimage.label(box)
    if count == 1:
        return np.ones(len(voxels), bool)
    piece = pieces[inner]
    return np.equal(piece, np.bincount(piece).argmax())


def _class_pieces(brain: Evidence, topology_classes: Int32Array) -> BoolArray:
    """Bool `[k, n]`: whether a channel belongs to the largest piece of its class at that voxel."""
    classes, class_of = np.unique(topology_classes, return_inverse=True)
    kept = np.zeros((len(classes), len(brain.voxels)), bool)
    for channels, probability in zip(brain.channels, brain.probability, strict=True):
        likely = np.flatnonzero(probability > contract.CLASS_THRESHOLD)
        held = channels[likely] if len(channels) == len(probability) else channels
        kept[class_of[held], likely] = True
    for index in range(len(classes)):
        members = np.flatnonzero(kept[index])
        kept[index, members] = in_largest_piece(brain.voxels[members], brain.grid)
    kept[classes == 0] = True
    columns = np.arange(len(brain.voxels))
    return np.stack([kept[class_of[channels], columns] for channels in brain.channels])


def _normalised(evidence: Evidence) -> CleanPosteriors:
    """Evidence scaled in its place to sum to 1; a voxel of which nothing is left is background."""
    kept = evidence.probability
    total = kept.sum(axis=0)
    kept /= np.where(total > 0, total, np.float32(1))
    np.copyto(kept, 1, where=(total == 0) & (evidence.channels == 0))
    return CleanPosteriors(evidence.shape, evidence.voxels, evidence.channels, kept)

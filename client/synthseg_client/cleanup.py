"""Connected components and the final labels, from the evidence that the server answers with.

The rules are the original's (Billot et al. 2023, doi:10.1016/j.media.2023.102789): only the largest
piece of brain counts; with topological classes, only the largest piece of each class, found on the
padded network grid; in the fast variant no classes but a higher threshold per label, on the image's
own grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthseg_client import contract
from synthseg_client.errors import AnswerError
from synthseg_client.model import Model

CLASS_THRESHOLD = 0.25
"""Probability from which a voxel belongs to the component of its topological class."""
FAST_THRESHOLD = 0.2
"""Probability under which the fast variant drops a label."""


@dataclass(frozen=True)
class Evidence:
    """What is known about the voxels that may be brain.

    Attributes:
        grid: Shape of the padded network grid.
        offset: Where voxel (0, 0, 0) of the image lies in it.
        shape: Shape of the image.
        voxels: int64 `[n]`: flat indices into the grid, ascending.
        channels: Integers `[n, k]`: which channels are known of a voxel.
        probability: float32 `[n, k]`: their probabilities.
    """

    grid: tuple[int, int, int]
    offset: tuple[int, int, int]
    shape: tuple[int, int, int]
    voxels: NDArray[np.int64]
    channels: NDArray
    probability: NDArray[np.float32]

    def part(self, keep: NDArray) -> Evidence:
        """Only the voxels for which `keep` bool `[n]` holds."""
        if keep.all():
            return self
        return Evidence(
            self.grid,
            self.offset,
            self.shape,
            self.voxels[keep],
            self.channels[keep],
            self.probability[keep],
        )

    def unpadded(self) -> Evidence:
        """The same on the image's own grid; voxels of the padding are dropped."""
        where = np.stack(np.unravel_index(self.voxels, self.grid)) - np.reshape(self.offset, (3, 1))
        inside = np.all((where >= 0) & (where < np.reshape(self.shape, (3, 1))), axis=0)
        kept = self.part(inside)
        voxels = np.ravel_multi_index(tuple(where[:, inside]), self.shape).astype(np.int64)
        return Evidence(self.shape, (0, 0, 0), self.shape, voxels, kept.channels, kept.probability)


@dataclass(frozen=True)
class CleanPosteriors:
    """Probabilities after the clean-up, on the image's grid; other voxels are background.

    Attributes:
        shape: Shape of the image.
        voxels: int64 `[n]`: flat indices into the image, ascending.
        channels: Integers `[n, k]`.
        probability: float32 `[n, k]`: sums to 1 per voxel.
    """

    shape: tuple[int, int, int]
    voxels: NDArray[np.int64]
    channels: NDArray
    probability: NDArray[np.float32]

    def sums(self, n_labels: int) -> NDArray[np.float64]:
        """float64 `[label]`: sum of probabilities over the image, in voxels; 0 for background."""
        totals = np.zeros(n_labels)
        for k in range(self.channels.shape[1]):
            totals += np.bincount(
                self.channels[:, k], self.probability[:, k].astype(np.float64), n_labels
            )
        totals[0] = 0
        return totals

    def best_channels(self) -> NDArray[np.int32]:
        """int32 `[x, y, z]`: most probable channel, the lowest where several are equally so."""
        best = np.zeros(self.shape, np.int32)
        if not len(self.voxels):
            return best
        highest = self.probability.max(axis=1, keepdims=True)
        candidates = np.where(self.probability == highest, self.channels, np.iinfo(np.int32).max)
        best.ravel()[self.voxels] = candidates.min(axis=1)
        return best

    def channel(self, index: int) -> NDArray[np.float32]:
        """float32 `[x, y, z]`: probability of one channel everywhere in the image."""
        volume = np.full(self.shape, 1 if index == 0 else 0, np.float32)
        flat = volume.ravel()
        if index == 0:
            flat[self.voxels] = 0
        rows, columns = np.nonzero((self.channels == index) & (self.probability > 0))
        flat[self.voxels[rows]] = self.probability[rows, columns]
        return volume


def read_evidence(answer: Mapping[str, NDArray], shape: Sequence[int], n_labels: int) -> Evidence:
    """The evidence from an answer, checked.

    Args:
        answer: Arrays by output name, `contract.EVIDENCE` or `contract.DENSE`.
        shape: Shape of the image that was sent.
        n_labels: Number of channels of the model.

    Raises:
        AnswerError: Shapes contradict each other, or numbers lie outside their range.
    """
    grid = _triple(answer, contract.NETWORK_SHAPE)
    offset = _triple(answer, contract.OFFSET)
    if any(o < 0 or o + n > g for o, n, g in zip(offset, shape, grid, strict=True)):
        raise AnswerError(
            f"an image {tuple(shape)} has no room at {offset} of a network grid {grid}."
        )
    bits = answer[contract.FOREGROUND]
    count = int(np.prod(grid))
    if bits.shape != (-(-count // 8),):
        raise AnswerError(f"foreground of {bits.shape} bytes does not fit a network grid {grid}.")
    voxels = np.flatnonzero(np.unpackbits(bits.astype(np.uint8), count=count))
    channels, probability = _columns(answer, len(voxels), n_labels)
    if len(channels) and (channels.min() < 0 or channels.max() >= n_labels):
        raise AnswerError(f"answer names channel {channels.max()} of a model with {n_labels}.")
    if len(probability) and not (probability.min() >= 0 and probability.max() <= 1.01):
        raise AnswerError("answer holds probabilities that are not between 0 and 1.")
    return Evidence(grid, offset, tuple(int(n) for n in shape), voxels, channels, probability)  # type: ignore[arg-type]


def _triple(answer: Mapping[str, NDArray], name: str) -> tuple[int, int, int]:
    if answer[name].shape != (3,):
        raise AnswerError(f"{name} has shape {answer[name].shape}, expected (3,).")
    return tuple(int(n) for n in answer[name])  # type: ignore[return-value]


def _columns(
    answer: Mapping[str, NDArray], n: int, n_labels: int
) -> tuple[NDArray, NDArray[np.float32]]:
    """Channels `[n, k]` and probabilities `[n, k]` of either kind of answer."""
    if contract.POSTERIORS in answer:
        dense = answer[contract.POSTERIORS]
        if dense.shape != (n, n_labels):
            raise AnswerError(f"posteriors have shape {dense.shape}, expected {(n, n_labels)}.")
        return np.broadcast_to(np.arange(n_labels, dtype=np.int32), dense.shape), dense.astype(
            np.float32
        )
    fixed, fixed_channels = answer[contract.FIXED_PROBABILITY], answer[contract.FIXED_CHANNELS]
    top, top_channels = answer[contract.TOP_PROBABILITY], answer[contract.TOP_CHANNELS]
    if (
        fixed.shape != (n, len(fixed_channels))
        or top.ndim != 2
        or len(top) != n
        or top_channels.shape != top.shape
    ):
        raise AnswerError(
            f"evidence for {n} voxels contradicts itself: "
            f"{contract.FIXED_PROBABILITY} {fixed.shape}, "
            f"{contract.TOP_PROBABILITY} {top.shape}, {contract.TOP_CHANNELS} {top_channels.shape}."
        )
    rows = np.broadcast_to(fixed_channels.astype(np.int32), fixed.shape)
    return np.concatenate([rows, top_channels], axis=1), np.concatenate(
        [fixed, top], axis=1
    ).astype(np.float32)


def clean_up(evidence: Evidence, model: Model, *, fast: bool) -> CleanPosteriors:
    """Removes what cannot be brain and scales the rest to sum to 1.

    Args:
        evidence: From `read_evidence`.
        model: Whose channels they are.
        fast: The fast variant: no topological classes.
    """
    if fast or not model.topology_classes.any():
        brain = _keep_largest_piece(evidence.unpadded())
        foreground = (brain.channels == 0) | (brain.probability > FAST_THRESHOLD)
        kept = np.where(foreground, brain.probability, np.float32(0))
        return _normalised(brain, kept)
    brain = _keep_largest_piece(evidence)
    kept = np.where(_class_pieces(brain, model.topology_classes), brain.probability, np.float32(0))
    cleaned = Evidence(
        brain.grid, brain.offset, brain.shape, brain.voxels, brain.channels, kept
    ).unpadded()
    return _normalised(cleaned, cleaned.probability)


def _keep_largest_piece(evidence: Evidence) -> Evidence:
    return evidence.part(in_largest_piece(evidence.voxels, evidence.grid))


def in_largest_piece(voxels: NDArray[np.int64], grid: Sequence[int]) -> NDArray[np.bool_]:
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
    return piece == np.bincount(piece).argmax()


def _class_pieces(brain: Evidence, topology_classes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Bool `[n, k]`: whether a channel belongs to the largest piece of its class at that voxel."""
    classes, class_of = np.unique(topology_classes, return_inverse=True)
    column_class = class_of[brain.channels]
    kept = np.zeros((len(brain.voxels), len(classes)), bool)
    kept[:, classes == 0] = True
    rows, columns = np.nonzero(brain.probability > CLASS_THRESHOLD)
    pair_class = column_class[rows, columns]
    for index in np.flatnonzero(classes != 0):
        members = np.unique(rows[pair_class == index])
        kept[members[in_largest_piece(brain.voxels[members], brain.grid)], index] = True
    return np.take_along_axis(kept, column_class, axis=1)


def _normalised(evidence: Evidence, kept: NDArray[np.float32]) -> CleanPosteriors:
    """Scaled to sum to 1; a voxel of which nothing is left is background."""
    total = kept.sum(axis=1, keepdims=True)
    probability = np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)
    probability[(total[:, 0] == 0)[:, None] & (evidence.channels == 0)] = 1
    return CleanPosteriors(evidence.shape, evidence.voxels, evidence.channels, probability)

"""Connected components and the final labels, from the evidence that the server answers with.

The rules are the original's (Billot et al. 2023, doi:10.1016/j.media.2023.102789): only the largest
piece of brain counts; with topological classes, only the largest piece of each class, found on the
padded network grid; in the fast variant no classes but a higher threshold per label, on the image's
own grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from synthseg_common import contract

from synthseg_client.errors import AnswerError
from synthseg_client.model import Model


@dataclass(frozen=True)
class Evidence:
    """What is known about the voxels that may be brain.

    Attributes:
        grid: Shape of the padded network grid.
        offset: Where voxel (0, 0, 0) of the image lies in it.
        shape: Shape of the image.
        voxels: int64 `[n]`: flat indices into the grid, ascending.
        channels: Integers `[k, n]`: which channels are known of a voxel; `[k, 1]` if all alike.
        probability: float32 `[k, n]`: their probabilities.
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
        channels = self.channels if self.channels.shape[1] == 1 else self.channels[:, keep]
        return replace(
            self,
            voxels=self.voxels[keep],
            channels=channels,
            probability=self.probability[:, keep],
        )

    def where(self, keep: NDArray[np.bool_]) -> Evidence:
        """A copy with probability 0 where `keep` bool `[k, n]` does not hold."""
        return replace(self, probability=np.where(keep, self.probability, np.float32(0)))

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
        channels: Integers `[k, n]`; `[k, 1]` if they are the same for all voxels.
        probability: float32 `[k, n]`: sums to 1 per voxel.
    """

    shape: tuple[int, int, int]
    voxels: NDArray[np.int64]
    channels: NDArray
    probability: NDArray[np.float32]

    def sums(self, n_labels: int) -> NDArray[np.float64]:
        """float64 `[label]`: sum of probabilities over the image, in voxels; 0 for background."""
        totals = np.zeros(n_labels)
        for channels, probability in zip(self.channels, self.probability, strict=True):
            if len(channels) == len(probability):
                totals += np.bincount(channels, probability, n_labels)
            else:
                totals[channels[0]] += probability.sum(dtype=np.float64)
        totals[0] = 0
        return totals

    def best_channels(self) -> NDArray[np.int32]:
        """int32 `[x, y, z]`: most probable channel, the lowest where several are equally so."""
        highest = np.zeros(len(self.voxels), np.float32)
        winner = np.zeros(len(self.voxels), np.int32)
        for channels, probability in zip(self.channels, self.probability, strict=True):
            better = (probability > highest) | ((probability == highest) & (channels < winner))
            np.copyto(highest, probability, where=better)
            np.copyto(winner, channels, where=better, casting="unsafe")
        best = np.zeros(self.shape, np.int32)
        best.ravel()[self.voxels] = winner
        return best

    def channel(self, index: int) -> NDArray[np.float32]:
        """float32 `[x, y, z]`: probability of one channel everywhere in the image."""
        volume = np.full(self.shape, index == 0, np.float32)
        volume.ravel()[self.voxels] = self._of(index)
        return volume

    def part(self, index: int) -> tuple[tuple[int, int, int], NDArray[np.float32]]:
        """The smallest box outside which a channel is 0; of background, what it lacks to 1.

        Returns:
            Index of the box's first voxel, and float32 `[x, y, z]`, empty if there is nothing.
        """
        probability = self._of(index)
        if index == 0:
            probability = 1 - probability
        held = np.flatnonzero(probability)
        if not len(held):
            return (0, 0, 0), np.zeros((0, 0, 0), np.float32)
        where = np.unravel_index(self.voxels[held], self.shape)
        start = tuple(int(w.min()) for w in where)
        part = np.zeros(
            [int(w.max()) + 1 - a for w, a in zip(where, start, strict=True)], np.float32
        )
        part[tuple(w - a for w, a in zip(where, start, strict=True))] = probability[held]
        return start, part  # type: ignore[return-value]

    def _of(self, index: int) -> NDArray[np.float32]:
        """float32 `[n]`: probability of a channel at the listed voxels."""
        if self.channels.shape[1] == 1:
            return self.probability[np.flatnonzero(self.channels == index)].sum(axis=0)
        found = np.zeros(len(self.voxels), np.float32)
        for channels, probability in zip(self.channels, self.probability, strict=True):
            np.copyto(found, probability, where=(channels == index) & (probability > 0))
        return found


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
    count = math.prod(grid)
    if bits.shape != (-(-count // 8),):
        raise AnswerError(f"foreground of {bits.shape} bytes does not fit a network grid {grid}.")
    voxels = np.flatnonzero(np.unpackbits(bits.astype(np.uint8), count=count))
    channels, probability = _columns(answer, len(voxels), n_labels)
    if channels.size and (channels.min() < 0 or channels.max() >= n_labels):
        raise AnswerError(f"answer names channel {channels.max()} of a model with {n_labels}.")
    if probability.size and not (probability.min() >= 0 and probability.max() <= 1.01):
        raise AnswerError("answer holds probabilities that are not between 0 and 1.")
    return Evidence(grid, offset, tuple(int(n) for n in shape), voxels, channels, probability)  # type: ignore[arg-type]


def _triple(answer: Mapping[str, NDArray], name: str) -> tuple[int, int, int]:
    if answer[name].shape != (3,):
        raise AnswerError(f"{name} has shape {answer[name].shape}, expected (3,).")
    return tuple(int(n) for n in answer[name])  # type: ignore[return-value]


def _columns(
    answer: Mapping[str, NDArray], n: int, n_labels: int
) -> tuple[NDArray, NDArray[np.float32]]:
    """Channels `[k, n]` or `[k, 1]` and probabilities `[k, n]` of either kind of answer."""
    if contract.POSTERIORS in answer:
        dense = answer[contract.POSTERIORS]
        if dense.shape != (n, n_labels):
            raise AnswerError(f"posteriors have shape {dense.shape}, expected {(n, n_labels)}.")
        return np.arange(n_labels, dtype=np.int32)[:, None], _rows_to_columns(dense)
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
    constant = np.broadcast_to(fixed_channels.astype(np.uint16)[:, None], (len(fixed_channels), n))
    channels = np.concatenate([constant, top_channels.T.astype(np.uint16)])
    return channels, np.concatenate([_rows_to_columns(fixed), _rows_to_columns(top)])


def _rows_to_columns(values: NDArray) -> NDArray[np.float32]:
    """float32 `[k, n]`, contiguous, from `[n, k]`."""
    return np.ascontiguousarray(values.T, np.float32)


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

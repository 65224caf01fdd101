"""What a model answers about the voxels that may be brain, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from synthseg_common import contract
from synthseg_common.arrays import AnyArray, BoolArray, Float32Array, Int64Array
from synthseg_common.triples import Triple, triple

from synthseg_client.errors import AnswerError


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

    grid: Triple
    offset: Triple
    shape: Triple
    voxels: Int64Array
    channels: AnyArray
    probability: Float32Array

    def part(self, keep: AnyArray) -> Evidence:
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

    def where(self, keep: BoolArray) -> Evidence:
        """A copy with probability 0 where `keep` bool `[k, n]` does not hold."""
        return replace(self, probability=np.where(keep, self.probability, np.float32(0)))

    def unpadded(self) -> Evidence:
        """The same on the image's own grid; voxels of the padding are dropped."""
        where = np.stack(np.unravel_index(self.voxels, self.grid)) - np.reshape(self.offset, (3, 1))
        inside = np.all((where >= 0) & (where < np.reshape(self.shape, (3, 1))), axis=0)
        kept = self.part(inside)
        voxels = np.ravel_multi_index(tuple(where[:, inside]), self.shape).astype(np.int64)
        return Evidence(self.shape, (0, 0, 0), self.shape, voxels, kept.channels, kept.probability)


def read_evidence(answer: Mapping[str, AnyArray], shape: Sequence[int], n_labels: int) -> Evidence:
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
    return Evidence(grid, offset, triple(shape), voxels, channels, probability)


def _triple(answer: Mapping[str, AnyArray], name: str) -> Triple:
    if answer[name].shape != (3,):
        raise AnswerError(f"{name} has shape {answer[name].shape}, expected (3,).")
    return triple(answer[name])


def _columns(
    answer: Mapping[str, AnyArray], n: int, n_labels: int
) -> tuple[AnyArray, Float32Array]:
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


def _rows_to_columns(values: AnyArray) -> Float32Array:
    """float32 `[k, n]`, contiguous, from `[n, k]`."""
    return np.ascontiguousarray(values.T, np.float32)

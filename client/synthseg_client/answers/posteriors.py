"""Probabilities after the clean-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from synthseg_common.arrays import AnyArray, Float32Array, Float64Array, Int32Array, Int64Array
from synthseg_common.triples import Triple, triple


@dataclass(frozen=True)
class CleanPosteriors:
    """Probabilities after the clean-up, on the image's grid; other voxels are background.

    Attributes:
        shape: Shape of the image.
        voxels: int64 `[n]`: flat indices into the image, ascending.
        channels: Integers `[k, n]`; `[k, 1]` if they are the same for all voxels.
        probability: float32 `[k, n]`: sums to 1 per voxel.
    """

    shape: Triple
    voxels: Int64Array
    channels: AnyArray
    probability: Float32Array

    def sums(self, n_labels: int) -> Float64Array:
        """float64 `[label]`: sum of probabilities over the image, in voxels; 0 for background."""
        totals = np.zeros(n_labels)
        for channels, probability in zip(self.channels, self.probability, strict=True):
            if len(channels) == len(probability):
                totals += np.bincount(channels, probability, n_labels)
            else:
                totals[channels[0]] += probability.sum(dtype=np.float64)
        totals[0] = 0
        return totals

    def best_channels(self) -> Int32Array:
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

    def channel(self, index: int) -> Float32Array:
        """float32 `[x, y, z]`: probability of one channel everywhere in the image."""
        volume = np.full(self.shape, index == 0, np.float32)
        volume.ravel()[self.voxels] = self._of(index)
        return volume

    def part(self, index: int) -> tuple[Triple, Float32Array]:
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
        start = triple(w.min() for w in where)
        part = np.zeros(
            [int(w.max()) + 1 - a for w, a in zip(where, start, strict=True)], np.float32
        )
        part[tuple(w - a for w, a in zip(where, start, strict=True))] = probability[held]
        return start, part

    def _of(self, index: int) -> Float32Array:
        """float32 `[n]`: probability of a channel at the listed voxels."""
        if self.channels.shape[1] == 1:
            rows = self.probability[np.flatnonzero(self.channels == index)]
            total: Float32Array = rows.sum(axis=0)
            return total
        found = np.zeros(len(self.voxels), np.float32)
        for channels, probability in zip(self.channels, self.probability, strict=True):
            np.copyto(found, probability, where=(channels == index) & (probability > 0))
        return found

"""Structures that swell or shrink, as a displacement that pushes and pulls what is around them.

Where the labels of a growth are smoothed by a Gaussian of width σ to s, with values in [0, 1], the
place that is looked up moves by `distance · σ √(2π) · grad s`. At a flat wall that is as long as
the distance, and falls off as the Gaussian does, so the wall comes to lie where the place looked
up is the old wall, a little nearer; in a thin sheet both of its walls take from each other. Moving
towards a structure makes it larger. It is computed in cells of a few millimetres and
evaluated at the few nodes of the elastic displacement, so it costs next to nothing per voxel.

Arithmetic runs on any Keras backend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops
from synthseg_common.arrays import Float32Array
from synthseg_common.labels import GenerationLabels

from synthseg_generator.draws.growth import find_growth_cell, find_window
from synthseg_generator.graph.interpolation import enlarge, sample_linear
from synthseg_generator.settings.anatomy import Growth
from synthseg_generator.settings.labels import find_label_indices
from synthseg_generator.settings.ranges import Shape

Tensor = Any

# Variances, in squares of the spacing, of what else smooths the displacement: the average of a
# cell, the difference across two, and the linear interpolation between cells and between nodes.
_OF_CELLS = 1 / 12 + 1 / 3 + 1 / 6
_OF_NODES = 1 / 6
# Nodes may lie further apart than the reach by this share of it: voxel sizes come from affines.
_ROUNDING = 1e-3
# A Gaussian narrower than this cannot be sampled by the cells.
_NARROWEST_CELLS = 0.5


class GrowthField:
    """Growth of the structures of maps of one shape.

    Args:
        growth: What grows; at least one.
        labels: Table of the label maps.
        map_shape: Voxels of the label maps.
        voxel_size_mm: Their size.
        nodes: Nodes of the elastic displacement over the whole map.

    Attributes:
        nodes: Nodes at which the growth is evaluated: those of the elastic displacement, or a
            multiple of them where these lie further apart than a wall's surroundings reach.

    Raises:
        ConfigError: The table lacks a label.
    """

    def __init__(
        self,
        growth: Sequence[Growth],
        labels: GenerationLabels,
        map_shape: Shape,
        voxel_size_mm: float,
        nodes: Shape,
    ) -> None:
        reaches_mm = sorted({one.reach_mm for one in growth})
        self._grown = [_tell_grown(growth, labels, reach_mm) for reach_mm in reaches_mm]
        self._cell = find_growth_cell(growth, voxel_size_mm)
        self._n_cells = [max(side // self._cell, 1) for side in map_shape]
        x, y, z = (
            n * math.ceil(side / n * voxel_size_mm / reaches_mm[0] - _ROUNDING)
            for side, n in zip(map_shape, nodes, strict=True)
        )
        self.nodes: Shape = (x, y, z)
        spacing = [side / n for side, n in zip(map_shape, self.nodes, strict=True)]
        self._blurs = [
            self._make_blurs(reach_mm / voxel_size_mm, spacing) for reach_mm in reaches_mm
        ]
        for blurs in self._blurs:
            # From mm to voxels, which may stand in any one of the three.
            blurs[0] /= voxel_size_mm

    def _make_blurs(self, reach: float, spacing: Sequence[float]) -> list[Float32Array]:
        """A matrix for each axis, from sums over cells to what differences are growth of.

        Args:
            reach: Standard deviation of the Gaussian in voxels.
            spacing: Voxels between nodes along each axis.
        """
        sigmas = [find_growth_sigma(reach, self._cell, s) / self._cell for s in spacing]
        blurs = [_make_blur(n, s) for n, s in zip(self._n_cells, sigmas, strict=True)]
        # A sum is over the samples of a cell, a difference spans two cells.
        blurs[0] *= reach * math.sqrt(2 * math.pi) / (2 * self._cell * self._cell)
        return blurs

    def compute(self, labels: Tensor, growth_mm: Tensor, box_start: Tensor | None = None) -> Tensor:
        """The displacement in every cell of the map.

        Args:
            labels: Integers `[x, y, z]`, indices into the label table: the whole map, or the box
                that is needed.
            growth_mm: float32 `[growth]`, mm.
            box_start: int32 `[3]`, first voxel of the box in the map; `None` for the whole map.

        Returns:
            float32 `[i, j, k, 3]`, voxels of the map; where the box does not reach, it is wrong.
        """
        sampled = self._sample_cells(labels, box_start)
        inside = [self._find_cells_of_box(labels, box_start, axis) for axis in range(3)]
        parts = []
        for grown, blurs in zip(self._grown, self._blurs, strict=True):
            # Growth is linear in the labels, so all of one reach are smoothed together.
            of_labels = ops.einsum("g,gl->l", growth_mm, ops.convert_to_tensor(grown))
            pooled = sum(ops.take(of_labels, seen, axis=0) for seen in sampled)
            weights = [
                ops.convert_to_tensor(blur) * part for blur, part in zip(blurs, inside, strict=True)
            ]
            parts.append(enlarge(pooled[..., None], weights)[..., 0])
        return _difference(sum(parts[1:], start=parts[0]))

    def look_up(self, field: Tensor, places: Tensor) -> Tensor:
        """The displacement at some places: float32 `[..., 3]`, voxels of the map.

        Args:
            field: float32 `[i, j, k, 3]`, as `compute` gives it.
            places: float32 `[..., 3]`, voxels of the map.
        """
        centre = (self._cell - 1) / 2
        return sample_linear(field, (places - centre) / self._cell)

    def _sample_cells(self, labels: Tensor, box_start: Tensor | None) -> list[Tensor]:
        """Some voxels of every cell, their average is taken for that of all: int32 `[i, j, k]`.

        Every plane of a cell has one of them, on each axis, so a sheet one voxel thick is seen
        wherever it lies; all voxels would cost ten times as much, and tell little more.
        """
        sampled = []
        for offset in range(self._cell):
            seen = labels
            for axis, n_cells in enumerate(self._n_cells):
                within = (offset + axis) % self._cell
                index: Tensor = ops.arange(n_cells, dtype="int32") * self._cell + within
                if box_start is not None:
                    index = index - box_start[axis]
                # Beyond the box, what is seen here is given no weight.
                index = ops.clip(index, 0, ops.shape(labels)[axis] - 1)
                seen = ops.take(seen, index, axis=axis)
            sampled.append(ops.cast(seen, "int32"))
        return sampled

    def _find_cells_of_box(self, labels: Tensor, box_start: Tensor | None, axis: int) -> Tensor:
        """Which cells lie in the box along an axis: float32 `[cell]`, 1 or 0."""
        if box_start is None:
            return 1.0
        first = ops.arange(self._n_cells[axis], dtype="int32") * self._cell - box_start[axis]
        inside = (first >= 0) & (first + self._cell <= ops.shape(labels)[axis])
        return ops.cast(inside, "float32")


def find_growth_sigma(reach: float, cell: float, node_spacing: float) -> float:
    """Width of the Gaussian that, with all else that smooths the growth, makes its reach.

    Args:
        reach: Standard deviation that is wanted, in any unit of length.
        cell: Edge of the cells, likewise.
        node_spacing: Distance of the nodes between which the displacement is interpolated.
    """
    variance = reach**2 - _OF_CELLS * cell**2 - _OF_NODES * node_spacing**2
    return math.sqrt(max(variance, (_NARROWEST_CELLS * cell) ** 2))


def _tell_grown(
    growth: Sequence[Growth], labels: GenerationLabels, reach_mm: float
) -> Float32Array:
    """Which labels grow with this reach: float32 `[growth, label]`, 1 or 0."""
    grown = np.zeros((len(growth), len(labels)), np.float32)
    for index, one in enumerate(growth):
        named = find_label_indices("growth.labels", one.labels, labels)
        grown[index, list(named)] = one.reach_mm == reach_mm
    return grown


def _make_blur(n_cells: int, sigma: float) -> Float32Array:
    """Matrix of a Gaussian that is cut off, zeros beyond both ends: float32 `[cell, cell]`."""
    reach = find_window(sigma)
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    apart = np.subtract.outer(np.arange(n_cells), np.arange(n_cells))
    weights = np.exp(-0.5 * np.square(apart / sigma)) / kernel.sum()
    return np.where(np.abs(apart) <= reach, weights, 0).astype(np.float32)


def _difference(volume: Tensor) -> Tensor:
    """What follows less what comes before on each axis: `[i, j, k]` to `[i, j, k, 3]`."""
    parts = []
    for axis in range(3):
        widths = [[1, 1] if a == axis else [0, 0] for a in range(3)]
        padded = ops.pad(volume, widths, mode="constant")
        after, before = (
            padded[tuple(slice(start, start + n) if a == axis else slice(None) for a in range(3))]
            for start, n in ((2, volume.shape[axis]), (0, volume.shape[axis]))
        )
        parts.append(after - before)
    return ops.stack(parts, axis=-1)

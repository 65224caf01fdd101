"""A change of voxel size along the voxel axes, and the way back.

The numbers follow the original (Billot et al. 2023, doi:10.1016/j.media.2023.102789).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array
from synthseg_common.arrays import AnyArray, Float32Array, Float64Array
from synthseg_common.images import voxel_sizes_mm
from synthseg_common.processing import VOXEL_MM
from synthseg_common.resampling import ANTIALIAS, new_centres, stays_on_grid
from synthseg_common.triples import Triple, triple


def voxel_volume_mm3(affine: AnyArray) -> float:
    """Volume of one voxel in mm³, sheared or not."""
    return float(abs(np.linalg.det(np.asarray(affine, np.float64)[:3, :3])))


@dataclass(frozen=True)
class Resampling:
    """A change of voxel size along the voxel axes, as one matrix per axis.

    Attributes:
        factors: float64 `[3]`: old voxel size over new; above 1 where voxels shrink.
        shape_in: Shape before.
        shape_out: Shape after.
    """

    factors: Float64Array
    shape_in: Triple
    shape_out: Triple

    def apply(self, volume: AnyArray) -> Float32Array:
        """The volume on the new grid.

        Smoothed where voxels grow, then interpolated linearly, held constant beyond the outermost
        voxel centres.

        Args:
            volume: `[x, y, z]` of `shape_in`.

        Returns:
            float32 `[x, y, z]` of `shape_out`.
        """
        return _apply_per_axis(volume, [self._forward(axis) for axis in range(3)])

    def affine_out(self, affine: AnyArray) -> Float64Array:
        """The affine of the new grid; the field of view stays where it is."""
        moved = np.array(affine, np.float64)
        moved[:3, :3] /= self.factors
        moved[:3, 3] -= moved[:3, :3] @ (0.5 * (self.factors - 1))
        return moved

    def back(self, part: AnyArray, start: Sequence[int]) -> tuple[tuple[slice, ...], Float32Array]:
        """A part of a volume on the new grid, zero around it, interpolated on the old grid.

        Args:
            part: float32 `[x, y, z]`.
            start: Index on the new grid of the part's first voxel.

        Returns:
            Where on the old grid the result may differ from zero, and float32 values there.
        """
        where: list[slice] = []
        matrices = []
        for axis in range(3):
            matrix = self._backward(axis)[:, start[axis] : start[axis] + part.shape[axis]]
            rows = np.flatnonzero(matrix.any(axis=1))
            where.append(slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0))
            matrices.append(matrix[where[-1]])
        if part.size == 0 or any(w.start == w.stop for w in where):
            # A structure without voxels, or none where the old grid has a voxel's centre.
            return (slice(0, 0),) * 3, np.zeros((0, 0, 0), np.float32)
        return tuple(where), _apply_per_axis(part, matrices)

    def _forward(self, axis: int) -> Float64Array:
        factor, size = self.factors[axis], self.shape_in[axis]
        interpolate = _linear_matrix(new_centres(factor, size), size)
        if factor > 1:
            return interpolate
        # An axis that keeps its size is smoothed too, as the original does once any other axis
        # changes.
        smooth = gaussian_filter1d(np.eye(size), ANTIALIAS / factor, axis=0)
        return interpolate @ smooth

    def _backward(self, axis: int) -> Float64Array:
        factor = self.factors[axis]
        positions = np.arange(self.shape_in[axis]) * factor + (factor - 1) / 2
        return _linear_matrix(positions, self.shape_out[axis])


def plan_resampling(
    shape: Sequence[int], affine: AnyArray, target_mm: float = VOXEL_MM
) -> Resampling | None:
    """The change to voxels of `target_mm`, or None if every voxel size is within 5 % of it."""
    sizes = voxel_sizes_mm(affine)
    if stays_on_grid(sizes, target_mm):
        return None
    factors = sizes / target_mm
    shape_out = triple(len(new_centres(f, n)) for f, n in zip(factors, shape, strict=True))
    return Resampling(factors, triple(shape), shape_out)


def _linear_matrix(positions: AnyArray, size: int) -> Float64Array:
    """float64 `[positions, size]`: linear interpolation, held constant outside."""
    clamped = np.clip(positions, 0, size - 1)
    low = np.minimum(clamped.astype(int), max(size - 2, 0))
    weight = clamped - low
    matrix = np.zeros((len(positions), size))
    rows = np.arange(len(positions))
    matrix[rows, low] = 1 - weight
    matrix[rows, np.minimum(low + 1, size - 1)] += weight
    return matrix


def _apply_per_axis(volume: AnyArray, matrices: Sequence[AnyArray]) -> Float32Array:
    """Multiplies along each axis. The matrices hold a narrow band, so sparse ones are fastest."""
    first, second, third = (csr_array(matrix.astype(np.float32)) for matrix in matrices)
    result = np.ascontiguousarray(volume, np.float32)
    shrinks = first.shape[0] < first.shape[1]
    if shrinks:
        result = _along_first_axis(first, result)
    result = np.stack([(third @ (second @ plane).T).T for plane in result])
    return result if shrinks else _along_first_axis(first, result)


def _along_first_axis(matrix: csr_array, volume: AnyArray) -> Float32Array:
    return (matrix @ volume.reshape(len(volume), -1)).reshape(-1, *volume.shape[1:])

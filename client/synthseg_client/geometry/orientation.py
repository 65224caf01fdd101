"""Orientation, resampling, and the way back.

Arrays run along voxel axes; an affine `[4, 4]` takes voxel indices to millimetres in RAS (right,
anterior, superior). The numbers follow the original (Billot et al. 2023,
doi:10.1016/j.media.2023.102789), except that axes are chosen from directions alone: the original
weighs them by voxel size and goes wrong on tilted scans with thick slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array
from synthseg_common.images import voxel_sizes_mm
from synthseg_common.processing import VOXEL_MM
from synthseg_common.resampling import ANTIALIAS, TOLERANCE, new_centres, stays_on_grid


def voxel_volume_mm3(affine: NDArray) -> float:
    """Volume of one voxel in mm³, sheared or not."""
    return float(abs(np.linalg.det(np.asarray(affine, np.float64)[:3, :3])))


@dataclass(frozen=True)
class Orientation:
    """How voxel axes lie in the world.

    Attributes:
        axes: For right, anterior, superior the voxel axis that runs along it.
        flips: Whether that voxel axis runs the other way (left, posterior, inferior).
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def to_ras(self, array: NDArray) -> NDArray:
        """A view of `array`, three axes or more, that runs right, anterior, superior."""
        view = np.transpose(array, (*self.axes, *range(3, array.ndim)))
        return view[self._steps()]

    def from_ras(self, array: NDArray) -> NDArray:
        """The way back: undoes `to_ras`, as a view."""
        return np.transpose(array[self._steps()], (*np.argsort(self.axes), *range(3, array.ndim)))

    def start_from_ras(
        self, start: Sequence[int], size: Sequence[int], shape: Sequence[int]
    ) -> tuple[int, ...]:
        """Where a part begins along the voxel axes.

        Args:
            start: Index of the part's first voxel in the RAS view.
            size: Shape of the part in the RAS view.
            shape: Shape of the RAS view.
        """
        found = [0, 0, 0]
        for world, (voxel, flipped) in enumerate(zip(self.axes, self.flips, strict=True)):
            end = start[world] + size[world]
            found[voxel] = shape[world] - end if flipped else start[world]
        return tuple(found)

    def affine_to_ras(self, affine: NDArray, shape: Sequence[int]) -> NDArray[np.float64]:
        """The affine of `to_ras(array)`.

        Args:
            affine: float64 `[4, 4]` of `array`.
            shape: Shape of `array`.
        """
        moved = np.array(affine, np.float64)
        for world, (voxel, flipped) in enumerate(zip(self.axes, self.flips, strict=True)):
            column = affine[:3, voxel]
            moved[:3, world] = -column if flipped else column
            if flipped:
                moved[:3, 3] += (shape[voxel] - 1) * column
        return moved

    def _steps(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flips)


def orientation_of(affine: NDArray) -> Orientation:
    """The voxel axes closest to right, anterior and superior."""
    directions = np.array(affine, np.float64)
    sizes = voxel_sizes_mm(affine)
    if sizes.max() > sizes.min() * (1 + 2 * TOLERANCE):
        directions[:3, :3] /= sizes
    # Else the matrix as it is: where two axes are equally close (a tilt of 45 degrees), rounding
    # decides, and it has to round as in the original.
    axes = np.argmax(np.abs(np.linalg.inv(directions)[:3, :3]), axis=0)
    for missing in sorted(set(range(3)) - set(axes.tolist())):
        # Two world axes chose the same voxel axis (tilts beyond 45 degrees): the later one takes
        # what is left.
        values, first, counts = np.unique(axes, return_index=True, return_counts=True)
        most = min(
            (i for i in range(len(values)) if counts[i] == counts.max()), key=lambda i: first[i]
        )
        axes[np.flatnonzero(axes == values[most])[-1]] = missing
    flips = tuple(bool(directions[world, voxel] < 0) for world, voxel in enumerate(axes))
    return Orientation(tuple(int(a) for a in axes), flips)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Resampling:
    """A change of voxel size along the voxel axes, as one matrix per axis.

    Attributes:
        factors: float64 `[3]`: old voxel size over new; above 1 where voxels shrink.
        shape_in: Shape before.
        shape_out: Shape after.
    """

    factors: NDArray[np.float64]
    shape_in: tuple[int, int, int]
    shape_out: tuple[int, int, int]

    def apply(self, volume: NDArray) -> NDArray[np.float32]:
        """The volume on the new grid.

        Smoothed where voxels grow, then interpolated linearly, held constant beyond the outermost
        voxel centres.

        Args:
            volume: `[x, y, z]` of `shape_in`.

        Returns:
            float32 `[x, y, z]` of `shape_out`.
        """
        return _apply_per_axis(volume, [self._forward(axis) for axis in range(3)])

    def affine_out(self, affine: NDArray) -> NDArray[np.float64]:
        """The affine of the new grid; the field of view stays where it is."""
        moved = np.array(affine, np.float64)
        moved[:3, :3] /= self.factors
        moved[:3, 3] -= moved[:3, :3] @ (0.5 * (self.factors - 1))
        return moved

    def back(
        self, part: NDArray, start: Sequence[int]
    ) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
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

    def _forward(self, axis: int) -> NDArray[np.float64]:
        factor, size = self.factors[axis], self.shape_in[axis]
        interpolate = _linear_matrix(new_centres(factor, size), size)
        if factor > 1:
            return interpolate
        # An axis that keeps its size is smoothed too, as the original does once any other axis
        # changes.
        smooth = gaussian_filter1d(np.eye(size), ANTIALIAS / factor, axis=0)
        return interpolate @ smooth

    def _backward(self, axis: int) -> NDArray[np.float64]:
        factor = self.factors[axis]
        positions = np.arange(self.shape_in[axis]) * factor + (factor - 1) / 2
        return _linear_matrix(positions, self.shape_out[axis])


def plan_resampling(
    shape: Sequence[int], affine: NDArray, target_mm: float = VOXEL_MM
) -> Resampling | None:
    """The change to voxels of `target_mm`, or None if every voxel size is within 5 % of it."""
    sizes = voxel_sizes_mm(affine)
    if stays_on_grid(sizes, target_mm):
        return None
    factors = sizes / target_mm
    shape_out = tuple(len(new_centres(f, n)) for f, n in zip(factors, shape, strict=True))
    return Resampling(factors, tuple(int(n) for n in shape), shape_out)  # type: ignore[arg-type]


def _linear_matrix(positions: NDArray, size: int) -> NDArray[np.float64]:
    """float64 `[positions, size]`: linear interpolation, held constant outside."""
    clamped = np.clip(positions, 0, size - 1)
    low = np.minimum(clamped.astype(int), max(size - 2, 0))
    weight = clamped - low
    matrix = np.zeros((len(positions), size))
    rows = np.arange(len(positions))
    matrix[rows, low] = 1 - weight
    matrix[rows, np.minimum(low + 1, size - 1)] += weight
    return matrix


def _apply_per_axis(volume: NDArray, matrices: Sequence[NDArray]) -> NDArray[np.float32]:
    """Multiplies along each axis. The matrices hold a narrow band, so sparse ones are fastest."""
    first, second, third = (csr_array(matrix.astype(np.float32)) for matrix in matrices)
    result = np.ascontiguousarray(volume, np.float32)
    shrinks = first.shape[0] < first.shape[1]
    if shrinks:
        result = _along_first_axis(first, result)
    result = np.stack([(third @ (second @ plane).T).T for plane in result])
    return result if shrinks else _along_first_axis(first, result)


def _along_first_axis(matrix: csr_array, volume: NDArray) -> NDArray[np.float32]:
    return (matrix @ volume.reshape(len(volume), -1)).reshape(-1, *volume.shape[1:])

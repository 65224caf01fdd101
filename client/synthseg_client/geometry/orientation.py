"""Which voxel axis runs along which of the world's, and arrays turned by it.

Arrays run along voxel axes; an affine `[4, 4]` takes voxel indices to millimetres in RAS (right,
anterior, superior). The numbers follow the original (Billot et al. 2023,
doi:10.1016/j.media.2023.102789), except that axes are chosen from directions alone: the original
weighs them by voxel size and goes wrong on tilted scans with thick slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from synthseg_common.arrays import AnyArray, Float64Array
from synthseg_common.images import voxel_sizes_mm
from synthseg_common.resampling import TOLERANCE
from synthseg_common.triples import Triple, triple


@dataclass(frozen=True)
class Orientation:
    """How voxel axes lie in the world.

    Attributes:
        axes: For right, anterior, superior the voxel axis that runs along it.
        flips: Whether that voxel axis runs the other way (left, posterior, inferior).
    """

    axes: Triple
    flips: tuple[bool, bool, bool]

    def to_ras(self, array: AnyArray) -> AnyArray:
        """A view of `array`, three axes or more, that runs right, anterior, superior."""
        view = np.transpose(array, (*self.axes, *range(3, array.ndim)))
        return view[self._steps()]

    def from_ras(self, array: AnyArray) -> AnyArray:
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

    def affine_to_ras(self, affine: AnyArray, shape: Sequence[int]) -> Float64Array:
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


def orientation_of(affine: AnyArray) -> Orientation:
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
    right, anterior, superior = (bool(directions[w, axis] < 0) for w, axis in enumerate(axes))
    return Orientation(triple(axes), (right, anterior, superior))

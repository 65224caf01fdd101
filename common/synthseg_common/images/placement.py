"""Where a volume lies, in each of the ways that programs look.

A NIfTI header says it up to three times: sform, qform, and voxel sizes alone. nibabel, FreeSurfer
and SPM prefer the sform; ITK (3D Slicer, ANTs) takes it only when its code is 1 and its axes are at
right angles, and the qform otherwise. A result that carries both as its scan does lies over the
scan in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthseg_common.arrays import AnyArray, Float64Array
from synthseg_common.errors import ImageError

ALIGNED = 2
"""NIfTI's code of a space that is agreed upon otherwise."""
SCANNER = 1
"""NIfTI's code of the scanner's space."""

_Affine = Float64Array
_LEAST_VOLUME = 1e-3  # of a voxel of these sizes with right angles
_RIGHT_ANGLE = 1e-4
_LARGEST_MM = 100.0
_SMALLEST_MM = 0.01


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a volume lies.

    Attributes:
        affine: float64 `[4, 4]`, voxel indices to mm in RAS: the one that is used.
        sform: The same as the header's sform says it; None where that is missing or unusable.
        sform_code: NIfTI's code of its space; 0 says that it is none.
        qform: The same as the header's qform says it.
        qform_code: NIfTI's code of its space.
        unit_mm: Millimetres to the unit that the header counts in.
    """

    affine: _Affine
    sform: _Affine | None = None
    sform_code: int = 0
    qform: _Affine | None = None
    qform_code: int = 0
    unit_mm: float = 1.0

    @classmethod
    def of(cls, affine: AnyArray, code: int = SCANNER) -> Placement:
        """One place, said in both ways."""
        matrix = np.array(affine, np.float64)
        return cls(matrix, matrix, code, matrix, code)

    @property
    def is_stated(self) -> bool:
        """Whether the header says where the volume lies, so that readers need not guess."""
        return bool(self.sform_code or self.qform_code)

    def said_in_both_ways(self) -> Placement:
        """The same place in millimetres, with the form that is missing taken from the other."""
        if not self.is_stated:
            return self.of(self.affine, ALIGNED)
        sform, sform_code = self.sform, self.sform_code
        qform, qform_code = self.qform, self.qform_code
        if not sform_code or sform is None:
            sform, sform_code = qform, qform_code
        if not qform_code or qform is None:
            qform, qform_code = sform, sform_code
        return Placement(self.affine, sform, sform_code, qform, qform_code)

    def moved(self, change: Callable[[_Affine], _Affine]) -> Placement:
        """The place of another grid over the same volume.

        Args:
            change: The affine of the new grid from that of the old one.
        """
        return replace(
            self,
            affine=change(self.affine),
            sform=None if self.sform is None else change(self.sform),
            qform=None if self.qform is None else change(self.qform),
        )


def voxel_sizes_mm(affine: AnyArray) -> Float64Array:
    """float64 `[3]`: voxel size in mm along each voxel axis."""
    squares = np.asarray(affine, np.float64)[:3, :3] ** 2
    sizes: Float64Array = np.sqrt(np.sum(squares, axis=0))
    return sizes


def is_usable(affine: AnyArray | None) -> bool:
    """Whether a matrix can be a place: finite, and voxels with a volume."""
    if affine is None or not np.all(np.isfinite(affine)):
        return False
    sizes = voxel_sizes_mm(affine)
    if not np.all((sizes > 0) & np.isfinite(sizes)):
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / sizes)) >= _LEAST_VOLUME)


def is_sheared(affine: AnyArray) -> bool:
    """Whether voxel axes are not at right angles, by more than ITK allows."""
    directions = affine[:3, :3] / voxel_sizes_mm(affine)
    return bool(np.abs(directions.T @ directions - np.eye(3)).max() > _RIGHT_ANGLE)


def differ_mm(one: AnyArray, other: AnyArray, shape: tuple[int, ...]) -> float:
    """How far apart two affines put a corner of a volume, at most, in mm."""
    ends = [(0, n - 1) for n in shape[:3]]
    corners = np.array([[i, j, k, 1] for i in ends[0] for j in ends[1] for k in ends[2]]).T
    return float(np.sqrt((((one - other) @ corners)[:3] ** 2).sum(axis=0)).max())


def refuse_voxel_sizes(path: Path, affine: AnyArray, why: str = "") -> None:
    """Refuses voxels that no scan has: above 100 mm, or below 0.01 mm.

    Raises:
        ImageError: They are.
    """
    sizes = voxel_sizes_mm(affine)
    if sizes.max() > _LARGEST_MM or sizes.min() < _SMALLEST_MM:
        odd = sizes.max() if sizes.max() > _LARGEST_MM else sizes.min()
        raise ImageError(
            f"{path}: voxels of {odd:g} mm{why} cannot be right, expected millimetres: mend the "
            "header."
        )

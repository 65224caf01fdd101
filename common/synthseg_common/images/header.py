"""What a header says, once it was checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from synthseg_common.arrays import AnyDType
from synthseg_common.images.placement import Placement


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """An image whose voxels are still on disk.

    Attributes:
        path: The file that was named.
        data_path: The file that holds the voxels: `path`, or its other half.
        format: `nifti`, `mgh` or `analyze`.
        shape: Voxels per axis, three or more axes.
        dtype: Type of the voxels on disk.
        offset: Bytes before the first voxel, unpacked.
        slope: Factor on the voxels' numbers.
        intercept: What is added after it.
        intent: NIfTI's code of what the numbers mean; 0 says nothing.
        placement: Where the volume lies.
        notes: What was odd, and how it was dealt with, in words for the user.
    """

    path: Path
    data_path: Path
    format: str
    shape: tuple[int, ...]
    dtype: AnyDType
    offset: int
    slope: float
    intercept: float
    placement: Placement
    intent: int = 0
    notes: tuple[str, ...] = ()

    @property
    def n_volumes(self) -> int:
        """How many volumes follow each other in the file."""
        return math.prod(self.shape[3:])

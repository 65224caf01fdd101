"""Whether an image that was written is what it should be, before it takes its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from synthseg_common.images import Placement, read_header

from synthseg_client.errors import ResultError

_ROUNDING_MM = 1e-3  # headers hold 32-bit numbers


def check_written(written: Path, path: Path, shape: tuple[int, ...], placement: Placement) -> None:
    """Reads the header of an image that was just written, and compares.

    Args:
        written: The file, under whatever name.
        path: What it will be called.
        shape: Its voxels per axis.
        placement: Where it shall lie.

    Raises:
        ResultError: The file has another grid than promised.
    """
    found = read_header(written)
    same_place = np.allclose(found.placement.affine, placement.affine, rtol=0, atol=_ROUNDING_MM)
    if found.shape != tuple(shape) or not same_place:
        raise ResultError(
            f"{path}: was written with another grid than the result has, so it was not kept: "
            "a fault of this program, or of the disk."
        )

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthseg_common.images import ImageHeader, Placement


@pytest.mark.parametrize(
    ("shape", "volumes"), [((4, 5, 6), 1), ((4, 5, 6, 1), 1), ((4, 5, 6, 3, 2), 6)]
)
def test_volumes_are_all_that_follows_three_axes(shape: tuple[int, ...], volumes: int) -> None:
    placement, path = Placement.of(np.eye(4)), Path("x.nii")
    header = ImageHeader(path, path, "nifti", shape, np.dtype("f4"), 352, 1.0, 0.0, placement)
    assert header.n_volumes == volumes

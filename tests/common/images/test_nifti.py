from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_images import AFFINE, LABELS, SHAPE, nifti
from synthseg_common.errors import ImageError
from synthseg_common.images.nifti import parse_nifti

PATH = Path("x.nii")


@pytest.mark.parametrize("two", [False, True], ids=["NIfTI-1", "NIfTI-2"])
def test_a_header_tells_shape_type_and_place(two: bool) -> None:
    header = parse_nifti(PATH, nifti(two=two))
    assert (header.shape, header.dtype, header.notes) == (SHAPE, LABELS.dtype, ())
    assert header.offset == (544 if two else 352)
    np.testing.assert_allclose(header.placement.affine, AFFINE, atol=1e-5)


def test_an_impossible_scale_is_left_out_and_said() -> None:
    def infinite(header: Any) -> None:
        header["scl_slope"] = np.inf

    header = parse_nifti(PATH, nifti(infinite))
    assert (header.slope, header.intercept) == (1, 0)
    assert "scale factor inf is impossible" in header.notes[0]


def test_a_header_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ImageError, match="cut off within its header"):
        parse_nifti(PATH, nifti()[:300])

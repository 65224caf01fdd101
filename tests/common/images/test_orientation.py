from __future__ import annotations

import nibabel as nib
import numpy as np
from synthseg_common.images import axes_in_ras, to_ras

# Axes run left, inferior, anterior.
AFFINE = np.array([[-1.0, 0, 0, 9], [0, 0, 3, -5], [0, -2, 0, 7], [0, 0, 0, 1]])
VALUES = np.arange(4 * 5 * 6).reshape(4, 5, 6)


def test_axes_are_found_for_right_anterior_and_superior() -> None:
    assert axes_in_ras(AFFINE) == [0, 2, 1]


def test_a_turned_volume_lies_where_it_lay() -> None:
    turned, affine = to_ras(VALUES, AFFINE)
    assert nib.aff2axcodes(affine) == ("R", "A", "S")
    before, after = np.argwhere(VALUES == 77)[0], np.argwhere(turned == 77)[0]
    np.testing.assert_allclose(affine @ [*after, 1], AFFINE @ [*before, 1])


def test_further_axes_stay_where_they_are() -> None:
    turned, _ = to_ras(np.stack([VALUES, VALUES + 1], axis=-1), AFFINE)
    assert turned.shape == (4, 6, 5, 2)
    np.testing.assert_array_equal(turned[..., 1], turned[..., 0] + 1)

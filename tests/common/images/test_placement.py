from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthseg_common.errors import ImageError
from synthseg_common.images import (
    Placement,
    differ_mm,
    is_usable,
    refuse_voxel_sizes,
    voxel_sizes_mm,
)
from synthseg_common.images.placement import is_sheared
from typed import there

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def test_voxel_sizes_are_lengths_of_columns_whatever_their_direction() -> None:
    turned = np.array([[0, -3.0, 0, 9], [2, 0, 0, 9], [0, 0, 4, 9], [0, 0, 0, 1]])
    assert voxel_sizes_mm(turned).tolist() == [2, 3, 4]


def test_what_says_no_place_says_it_in_both_ways_once_it_is_one() -> None:
    silent = Placement(AFFINE)
    assert not silent.is_stated
    told = silent.said_in_both_ways()
    assert told.is_stated
    np.testing.assert_array_equal(there(told.sform), there(told.qform))


def test_the_form_that_is_missing_is_taken_from_the_other() -> None:
    told = Placement(AFFINE, qform=AFFINE, qform_code=1).said_in_both_ways()
    assert (told.sform_code, told.qform_code) == (1, 1)
    np.testing.assert_array_equal(there(told.sform), AFFINE)


def test_a_move_moves_every_form() -> None:
    moved = Placement.of(AFFINE).moved(lambda affine: affine * 2)
    for form in (moved.affine, moved.sform, moved.qform):
        np.testing.assert_array_equal(there(form), AFFINE * 2)


@pytest.mark.parametrize(
    ("affine", "usable"),
    [
        (AFFINE, True),
        (None, False),
        (np.zeros((4, 4)), False),
        (np.full((4, 4), np.nan), False),
        (np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), False),
    ],
    ids=["sound", "none", "zero", "NaN", "flat"],
)
def test_a_place_needs_voxels_with_a_volume(affine: np.ndarray | None, usable: bool) -> None:
    assert is_usable(affine) is usable


def test_shear_is_an_angle_that_is_not_right() -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.5
    assert is_sheared(sheared)
    assert not is_sheared(AFFINE)


def test_two_places_differ_by_the_corner_that_is_farthest_apart() -> None:
    scaled = np.diag([2.5, 3.0, 4.0, 1.0])
    assert differ_mm(AFFINE, scaled, (11, 5, 5)) == pytest.approx(5.0)


@pytest.mark.parametrize("size", [0.001, 200.0])
def test_voxel_sizes_that_no_scan_has_are_refused(size: float) -> None:
    with pytest.raises(ImageError, match=r"x\.nii: voxels of .* mm cannot be right"):
        refuse_voxel_sizes(Path("x.nii"), np.diag([size, 1, 1, 1]))

import nibabel as nib
import numpy as np
import pytest

from bench.thickened import PLANES, thick_slices, thickened

RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(size=(12, 15, 18)).astype(np.float32)
AFFINE = np.array([[1.0, 0, 0, -5], [0, 1, 0, 7], [0, 0, 1, 20], [0, 0, 0, 1]])


@pytest.mark.parametrize("plane", PLANES)
def test_slices_are_thick_across_their_plane_alone(plane: str) -> None:
    thick = thickened(nib.Nifti1Image(IMAGE, AFFINE), plane, 3)

    axis = PLANES[plane]
    expected = [3 if i == axis else 1 for i in range(3)]
    np.testing.assert_allclose(nib.affines.voxel_sizes(thick.affine), expected)
    assert thick.shape == tuple(n // 3 if i == axis else n for i, n in enumerate(IMAGE.shape))


def test_first_slice_lies_in_the_middle_of_the_voxels_that_it_covers() -> None:
    thick = thickened(nib.Nifti1Image(IMAGE, AFFINE), "axial", 3)

    np.testing.assert_allclose(thick.affine[:3, 3], [-5, 7, 21])


def test_a_ramp_stays_a_ramp_away_from_its_ends() -> None:
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32), (3, 3, 40))
    thick = thickened(nib.Nifti1Image(ramp, np.eye(4)), "axial", 4)

    where = np.arange(10) * 4 + 1.5
    np.testing.assert_allclose(np.asarray(thick.dataobj)[1, 1, 2:-2], where[2:-2], atol=1e-3)


def test_profile_is_as_wide_at_half_its_height_as_the_slice() -> None:
    point = np.zeros((1, 1, 101), np.float32)
    point[0, 0, 50] = 1
    # Slices at every possible offset from the point: their values are the profile.
    profile = [thick_slices(np.roll(point, k, 2), 2, 10.0)[0, 0, 4] for k in range(-15, 16)]

    wide = np.sum(np.array(profile) > max(profile) / 2)
    assert wide == pytest.approx(10, abs=1)


def test_slices_cover_all_voxels_where_these_are_no_multiple() -> None:
    constant = np.full((4, 4, 17), 5, np.float32)

    thick = thick_slices(constant, 2, 5.0)

    assert thick.shape == (4, 4, 4)
    np.testing.assert_allclose(thick, 5, rtol=1e-6)


def test_one_millimetre_leaves_the_scan_as_it_is_but_for_its_axes() -> None:
    turned = nib.Nifti1Image(IMAGE[::-1], AFFINE @ np.diag([-1.0, 1, 1, 1]))

    same = thickened(turned, "coronal", 1)

    np.testing.assert_array_equal(np.asarray(same.dataobj), IMAGE)
    assert "".join(nib.aff2axcodes(same.affine)) == "RAS"

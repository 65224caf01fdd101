from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthseg_client.geometry.orientation import orientation_of
from synthseg_common.arrays import Float64Array

RNG = np.random.default_rng(0)
VOLUME = RNG.random((5, 6, 7)).astype(np.float32)


def _axis_aligned_affines() -> list[np.ndarray]:
    affines = []
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = 0
            for world, (voxel, sign) in enumerate(zip(axes, signs, strict=True)):
                affine[world, voxel] = sign * (1 + 0.5 * world)
            affine[:3, 3] = 3, -4, 5
            affines.append(affine)
    return affines


@pytest.mark.parametrize("affine", _axis_aligned_affines())
def test_every_axis_aligned_orientation_turns_to_ras_and_back(affine: Float64Array) -> None:
    orientation = orientation_of(affine)
    expected = nib.as_closest_canonical(nib.Nifti1Image(VOLUME, affine))
    ras = orientation.to_ras(VOLUME)
    np.testing.assert_array_equal(ras, expected.get_fdata(dtype=np.float32))
    np.testing.assert_allclose(
        orientation.affine_to_ras(affine, VOLUME.shape), expected.affine, atol=1e-12
    )
    np.testing.assert_array_equal(orientation.from_ras(ras), VOLUME)


def test_channels_follow_their_voxels_through_orientations() -> None:
    orientation = orientation_of(_axis_aligned_affines()[13])
    channels = RNG.random((5, 6, 7, 2))
    back = orientation.from_ras(orientation.to_ras(channels))
    np.testing.assert_array_equal(back, channels)


def test_tilted_thick_slices_keep_the_axes_that_their_directions_say() -> None:
    angle = np.deg2rad(35)
    rotation = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([1, 1, 6])
    assert orientation_of(affine).axes == (0, 1, 2)


def test_axes_are_a_permutation_for_any_rotation() -> None:
    for _ in range(200):
        rotation, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = rotation @ np.diag(RNG.uniform(0.5, 6, 3))
        assert sorted(orientation_of(affine).axes) == [0, 1, 2]


def test_axes_are_those_of_the_original_unless_voxel_size_misled_it(shared_data: Path) -> None:
    recorded = np.load(shared_data / "reference/preprocess/oblique_ras_axes.npz")
    for matrix, original in zip(recorded["affines"], recorded["ras_axes"], strict=True):
        affine = np.eye(4)
        affine[:3, :3] = matrix
        by_direction = np.argsort(nib.io_orientation(affine)[:, 0])
        found = orientation_of(affine).axes
        if np.array_equal(original, by_direction):
            assert found == tuple(original)
        else:
            assert found in (tuple(original), tuple(by_direction))


def test_ties_between_axes_fall_as_in_the_original() -> None:
    for angle in np.deg2rad(np.arange(45, 360, 90)):
        for offset in ((0, 0, 0), (3.7, -80.2, 11.1)):
            affine = np.eye(4)
            affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
            affine[:3, 3] = offset
            rounded = affine.astype(np.float32).astype(np.float64)
            axes = np.argmax(np.abs(np.linalg.inv(rounded)[:3, :3]), axis=0)
            if len(set(axes)) == 3:
                assert orientation_of(rounded).axes == tuple(axes)

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthseg_client.geometry.orientation import orientation_of
from synthseg_client.geometry.resampling import Resampling, plan_resampling, voxel_volume_mm3
from synthseg_common.arrays import AnyArray, Float64Array
from synthseg_common.images import voxel_sizes_mm
from typed import there

RNG = np.random.default_rng(0)
VOLUME = RNG.random((5, 6, 7)).astype(np.float32)


def _planned(shape: Sequence[int], affine: AnyArray, target_mm: float = 1.0) -> Resampling:
    return there(plan_resampling(shape, affine, target_mm))


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


def test_volume_of_a_sheared_voxel_is_its_determinant() -> None:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[0, 1] = 1.0
    assert voxel_volume_mm3(affine) == pytest.approx(6.0)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1.04, 0.96, 1), (1.05, 1, 1)])
def test_voxels_near_one_mm_stay(sizes: tuple[float, ...]) -> None:
    affine = np.diag([*sizes, 1]).astype(np.float32)
    assert plan_resampling((8, 8, 8), affine) is None


@pytest.mark.parametrize("size", [0.94, 0.95, 1.051])
def test_voxels_at_the_lower_bound_or_outside_are_resampled(size: float) -> None:
    assert plan_resampling((8, 8, 8), np.diag([1, size, 1, 1]).astype(np.float32)) is not None


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


def test_the_target_may_be_another_voxel_size() -> None:
    affine = np.diag([2.0, 4.0, 1.96, 1.0])
    assert plan_resampling((6, 6, 6), np.diag([2.0, 2.05, 1.92, 1.0]), target_mm=2.0) is None
    resampling = _planned((6, 6, 6), affine, target_mm=2.0)
    np.testing.assert_allclose(voxel_sizes_mm(resampling.affine_out(affine)), 2)


def test_resampling_keeps_the_field_of_view() -> None:
    affine = np.diag([2.0, 0.5, 1.0, 1.0])
    affine[:3, 3] = 10, -20, 30
    resampling = _planned((6, 20, 9), affine)
    new = resampling.affine_out(affine)
    assert resampling.shape_out == (12, 10, 9)
    np.testing.assert_allclose(voxel_sizes_mm(new), 1)
    corner = [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(new @ corner, affine @ corner)


def test_resampling_leaves_a_constant_volume_constant() -> None:
    resampling = _planned((7, 9, 11), np.diag([0.7, 3.0, 1.0, 1.0]))
    out = resampling.apply(np.full((7, 9, 11), 5, np.float32))
    np.testing.assert_allclose(out, 5, rtol=1e-6)


def test_the_way_back_reproduces_a_smooth_volume() -> None:
    resampling = _planned((10, 30, 30), np.diag([3.0, 1.0, 1.0, 1.0]))
    ramp = np.broadcast_to(np.arange(10, dtype=np.float32)[:, None, None], (10, 30, 30))
    fine = resampling.apply(ramp)
    where, back = resampling.back(fine, (0, 0, 0))
    assert where == (slice(0, 10), slice(0, 30), slice(0, 30))
    np.testing.assert_allclose(back[1:-1], ramp[1:-1], atol=0.02)


def test_a_part_goes_back_to_where_it_came_from() -> None:
    resampling = _planned((20, 20, 20), np.diag([2.0, 0.7, 1.0, 1.0]))
    whole = np.zeros(resampling.shape_out, np.float32)
    whole[11:20, 3:9, 5:6] = RNG.random((9, 6, 1))
    where, full = resampling.back(whole, (0, 0, 0))
    expected = np.zeros((20, 20, 20), np.float32)
    expected[where] = full
    where, part = resampling.back(whole[11:20, 3:9, 5:6], (11, 3, 5))
    found = np.zeros((20, 20, 20), np.float32)
    found[where] = part
    assert part.size < expected.size / 20
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_every_recorded_size_is_met(shared_data: Path) -> None:
    table = np.load(shared_data / "reference/preprocess/resample_sizes.npz")
    for spacing, size, _, actual in table["spacing_shape_ceil_actual"]:
        affine = np.diag([spacing, 1, 1, 1]).astype(np.float32)  # as a header holds it
        resampling = plan_resampling((int(size), 9, 9), affine)
        found = int(size) if resampling is None else resampling.shape_out[0]
        assert found == actual, (spacing, size)


@pytest.mark.parametrize("case", ["resample_down07", "resample_up4", "resample_mixed"])
def test_resampling_agrees_with_the_original(shared_data: Path, case: str) -> None:
    recorded = np.load(shared_data / "reference/preprocess" / f"{case}.npz")
    resampling = _planned(recorded["vol"].shape, recorded["aff"])
    np.testing.assert_allclose(
        resampling.affine_out(recorded["aff"]), recorded["aff_out"], atol=1e-12
    )
    out = resampling.apply(recorded["vol"])
    assert out.shape == recorded["out"].shape
    np.testing.assert_allclose(out, recorded["out"], atol=1e-5 * np.ptp(recorded["out"]))

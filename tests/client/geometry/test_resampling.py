from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from synthseg_client.geometry.resampling import Resampling, plan_resampling, voxel_volume_mm3
from synthseg_common.arrays import AnyArray
from synthseg_common.images import voxel_sizes_mm
from typed import there

RNG = np.random.default_rng(0)


def _planned(shape: Sequence[int], affine: AnyArray, target_mm: float = 1.0) -> Resampling:
    return there(plan_resampling(shape, affine, target_mm))


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

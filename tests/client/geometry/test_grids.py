from __future__ import annotations

from pathlib import Path

import numpy as np
from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.geometry.crop import Box
from synthseg_client.geometry.grids import ResultGrid, prepare
from synthseg_client.inputs.scans import Scan, check_scan
from synthseg_common.arrays import Float64Array

FLIPPED = np.diag([-1.0, 1.0, 1.0, 1.0])
THICK = np.diag([1.0, 1.0, 2.0, 1.0])


def _scan(affine: Float64Array) -> Scan:
    image = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
    return check_scan(Path("array"), image, affine)


def _one_voxel(shape: tuple[int, int, int], voxel: tuple[int, int, int]) -> CleanPosteriors:
    """Channel 1 at one voxel, background elsewhere."""
    where = np.array([np.ravel_multi_index(voxel, shape)])
    return CleanPosteriors(shape, where, np.array([[0], [1]]), np.array([[0], [1]], np.float32))


def test_a_scan_of_1_mm_is_turned_and_not_sampled_anew() -> None:
    prepared = prepare(_scan(FLIPPED))
    assert prepared.resampling is None
    assert prepared.native is prepared.scan.image
    np.testing.assert_array_equal(prepared.ras, prepared.scan.image[::-1])


def test_other_voxels_are_sampled_anew_along_the_scans_own_axes() -> None:
    prepared = prepare(_scan(THICK))
    assert prepared.native.shape == (6, 7, 16)
    np.testing.assert_allclose(np.diag(prepared.affine)[:3], 1)


def test_a_part_comes_back_to_its_place_along_the_scans_axes() -> None:
    prepared = prepare(_scan(FLIPPED))
    box = Box((1, 2, 3), (5, 6, 7))
    grid = ResultGrid(prepared, box, keep=False)
    best = grid.best_channels(_one_voxel(box.shape, (0, 0, 0)), 2)
    assert np.argwhere(best == 1).tolist() == [[6 - 1 - 1, 2, 3]]
    background = grid.channel(_one_voxel(box.shape, (0, 0, 0)), 0)
    np.testing.assert_array_equal(background, (best == 0).astype(np.float32))


def test_on_the_scans_own_grid_probabilities_are_interpolated() -> None:
    prepared = prepare(_scan(THICK))
    box = Box.whole(prepared.ras.shape)
    grid = ResultGrid(prepared, box, keep=True)
    assert grid.shape == (6, 7, 8)
    clean = _one_voxel(box.shape, (2, 3, 8))
    # Two voxels of 1 mm lie in one of 2 mm, at equal distance from its centre.
    assert grid.channel(clean, 1)[2, 3, 4] == 0.5
    np.testing.assert_allclose(grid.channel(clean, 0) + grid.channel(clean, 1), 1)

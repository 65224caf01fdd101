"""Voxels of one grid that are nearest to those of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from synthseg_client.geometry.crop import Box
from synthseg_client.geometry.grids import ResultGrid, prepare
from synthseg_client.geometry.nearest import as_freesurfer_samples, nearest_voxels
from synthseg_client.inputs.scans import check_scan


def test_the_nearest_voxel_is_found_across_a_turn_and_a_change_of_size() -> None:
    thick = np.diag([2.0, 1.0, 1.0, 1.0])
    turned = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 9], [0, 0, 1, 0], [0, 0, 0, 1]])
    voxels = np.array([[0, 1, 4], [0, 3, 9], [0, 2, 7]])
    found = np.stack(nearest_voxels(voxels, thick, turned, (10, 10, 8)))
    # x mm is the other grid's second axis, y mm is 9 less its first.
    assert found.tolist() == [[9, 6, 0], [0, 2, 8], [0, 2, 7]]


def test_positions_beyond_the_other_grid_take_its_outermost_voxels() -> None:
    far = nearest_voxels(np.array([[-5, 50]] * 3), np.eye(4), np.eye(4), (4, 5, 6))
    assert np.stack(far).tolist() == [[0, 3], [0, 4], [0, 5]]


def _grid(affine: np.ndarray, shape: tuple[int, int, int]) -> ResultGrid:
    image = np.random.default_rng(0).random(shape, np.float32)
    prepared = prepare(check_scan(Path("s"), image, affine))
    return ResultGrid(prepared, Box.whole(prepared.ras.shape), keep=True)


def test_freesurfers_way_takes_the_nearest_label_but_none_below_zero() -> None:
    """A voxel of 0.5 mm begins a quarter of a millimetre before the first one of 1 mm."""
    grid = _grid(np.diag([0.5, 1.0, 1.0, 1.0]), (8, 4, 4))
    labels = np.arange(1, 1 + grid.prepared.native.size).reshape(grid.prepared.native.shape)
    found = as_freesurfer_samples(labels.astype(np.int32), grid)
    assert found.shape == (8, 4, 4)
    assert not found[0].any()
    np.testing.assert_array_equal(found[1], labels[0])
    np.testing.assert_array_equal(found[2], labels[1])
    np.testing.assert_array_equal(found[3], labels[1])

"""Scans that end within the crop."""

from __future__ import annotations

import numpy as np
from keras import ops
from synthseg_generator.graph.field_of_view import apply_field_of_view, find_seen

SHARES = np.array([[0, 1], [0.25, 1], [0, 0.5]], np.float32)


def test_voxels_are_seen_whose_centres_lie_within() -> None:
    seen = ops.convert_to_numpy(find_seen(SHARES, (4, 8, 6)))
    expected = np.zeros((4, 8, 6), np.bool_)
    expected[:, 2:, :3] = True
    np.testing.assert_array_equal(seen, expected)


def test_nothing_is_left_of_an_image_or_a_target_beyond() -> None:
    for shape, dtype in (((4, 8, 6), np.int32), ((4, 8, 6, 2), np.float32)):
        volume = np.ones(shape, dtype)
        cut = ops.convert_to_numpy(apply_field_of_view(volume, SHARES))
        assert cut.dtype == dtype
        assert cut[:, 2:, :3].all()
        assert cut.sum() == cut[:, 2:, :3].sum()


def test_a_whole_scan_stays_as_it_is() -> None:
    volume = np.random.default_rng(0).standard_normal((5, 6, 7, 1)).astype(np.float32)
    whole = np.tile(np.array([0, 1], np.float32), (3, 1))
    np.testing.assert_array_equal(apply_field_of_view(volume, whole), volume)

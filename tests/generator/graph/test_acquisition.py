from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from synthseg_generator.graph.acquisition import (
    apply_acquisition,
    compute_window_reach,
    make_acquisition_weights,
    make_gaussian_weights,
)


def _acquire(
    image: NDArray[np.float32],
    spacing: Sequence[float],
    factor: float = 0.0,
    thickness: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    row = np.array([spacing], np.float32)
    extent = row if thickness is None else np.array([thickness], np.float32)
    factors = np.full((1, 3), factor, np.float32)
    result = apply_acquisition(
        ops.convert_to_tensor(image), row, extent, factors, reaches=[[7, 7, 7]]
    )
    shown: NDArray[np.float32] = ops.convert_to_numpy(result)
    return shown


def test_native_spacing_without_blur_leaves_image_unchanged() -> None:
    image = np.random.default_rng(0).random((16, 17, 18, 1), np.float32)
    np.testing.assert_allclose(_acquire(image, [1, 1, 1]), image, atol=1e-6)


def test_spacing_of_two_keeps_every_second_voxel_and_ramps_between() -> None:
    image = np.arange(8, dtype=np.float32).reshape(8, 1, 1, 1) ** 2
    acquired = _acquire(image, [2, 1, 1]).ravel()
    # 0, 4, 16, 36 are acquired; beyond the last one the edge voxel, 49, is read.
    np.testing.assert_allclose(acquired, [0, 2, 4, 10, 16, 26, 36, 42.5], atol=1e-4)


@pytest.mark.parametrize("sigma", [0.5, 1.5, 2.5])
def test_blur_is_a_truncated_gaussian_away_from_the_edges(sigma: float) -> None:
    weights = ops.convert_to_numpy(make_acquisition_weights(64, 64, 1.0, np.float32(sigma), 7))
    signal = np.random.default_rng(0).random(64)
    expected = gaussian_filter1d(signal, sigma, mode="constant", radius=7)
    np.testing.assert_allclose((weights @ signal)[8:-8], expected[8:-8], atol=1e-5)


def test_blur_sees_zeros_outside() -> None:
    weights = ops.convert_to_numpy(make_acquisition_weights(32, 32, 1.0, np.float32(2.0), 7))
    assert weights[0].sum() < 0.7
    assert weights[16].sum() == pytest.approx(1, abs=1e-5)


def test_no_width_is_no_blur() -> None:
    weights = ops.convert_to_numpy(
        make_gaussian_weights(np.arange(-2, 3, dtype=np.float32), np.float32(0), 7)
    )
    np.testing.assert_allclose(weights, [0, 0, 1, 0, 0])


def test_reach_is_the_official_window_of_fifteen_voxels() -> None:
    assert compute_window_reach(0.75 * 8) == 7


def test_thin_slices_blur_less_than_thick_ones() -> None:
    image = np.zeros((32, 32, 32, 1), np.float32)
    image[18, 16, 16] = 1  # an acquired voxel: every sixth one, from the first
    thin, thick = (_acquire(image, [6, 1, 1], 1.0, [t, 1, 1]).max() for t in (1, 6))
    assert thin > thick


def test_spacing_finer_than_the_map_shows_the_map() -> None:
    image = np.random.default_rng(0).random((16, 17, 18, 1), np.float32)
    np.testing.assert_allclose(_acquire(image, [0.5, 1, 1]), image, atol=1e-6)


def test_a_slice_wider_than_the_crop_shows_all_of_it() -> None:
    image = np.ones((16, 4, 4, 1), np.float32)
    np.testing.assert_allclose(_acquire(image, [1, 8, 1]), image, atol=1e-6)


def test_fixed_spacing_repeats_the_last_acquired_voxel() -> None:
    signal = np.arange(8, dtype=np.float32) ** 2
    weights = make_acquisition_weights(8, 8, 2.0, np.float32(0), 7, repeat_last=True)
    acquired = ops.convert_to_numpy(weights) @ signal
    np.testing.assert_allclose(acquired, [0, 2, 4, 10, 16, 26, 36, 36], atol=1e-4)

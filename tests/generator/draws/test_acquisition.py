from __future__ import annotations

import numpy as np
import pytest
from generator_fixtures import ReadLayer
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from synthseg_generator.draws.acquisition import draw_resolution, draw_resolutions
from synthseg_generator.settings.generator import Acquisition


def _drawn(
    config: Acquisition, count: int = 3000, native_mm: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    draws = [draw_resolution(config, rng, native_mm) for _ in range(count)]
    spacing, thickness = (np.array(part) for part in zip(*draws, strict=True))
    return spacing, thickness


def test_resolutions_are_distributed_as_the_official_ones(
    recorded_layer: ReadLayer,
) -> None:
    recorded = recorded_layer("sample_resolution_draws")
    theirs = recorded["resolution"], recorded["thickness"]
    for ours, their in zip(_drawn(Acquisition()), theirs, strict=True):
        for axis in range(3):
            assert ks_2samp(ours[:, axis], their[:, axis]).pvalue > 1e-3
        kinds = [(part > 1).sum(axis=1) for part in (ours, their)]
        shares = [np.bincount(kind, minlength=4) / len(kind) for kind in kinds]
        np.testing.assert_allclose(shares[0], shares[1], atol=0.03)


def test_one_axis_is_coarse_and_the_others_native() -> None:
    spacing, _ = _drawn(Acquisition(isotropic_probability=0, native_probability=0), 50)
    assert np.all((spacing > 1).sum(axis=1) == 1)


def test_isotropic_draws_all_axes_each_on_its_own() -> None:
    spacing, _ = _drawn(Acquisition(isotropic_probability=1, native_probability=0), 50)
    assert np.all(spacing > 1)
    assert np.all(spacing <= 4)
    assert len(np.unique(spacing)) == 150


def test_each_axis_has_its_own_largest_spacing() -> None:
    config = Acquisition(max_isotropic_mm=(1, 2, 3), isotropic_probability=1, native_probability=0)
    spacing, _ = _drawn(config, 300)
    assert np.all(spacing[:, 0] == 1)
    assert np.all(spacing.max(axis=0) <= [1, 2, 3])
    assert spacing[:, 2].max() > 2.5


@pytest.mark.parametrize("native_mm", [0.7, 1.0, 2.0])
def test_nothing_is_finer_than_the_maps(native_mm: float) -> None:
    spacing, thickness = _drawn(Acquisition(), 200, native_mm)
    assert spacing.min() == thickness.min() == native_mm
    assert np.all(thickness <= spacing)


def test_certain_native_spacing_draws_none() -> None:
    spacing, thickness = _drawn(Acquisition(native_probability=1), 50)
    assert np.all(spacing == 1)
    assert np.all(thickness == 1)


def test_fixed_rows_are_taken_channel_by_channel() -> None:
    config = Acquisition(fixed_spacing_mm=((1, 1, 3), (1, 2.5, 1)), fixed_thickness_mm=((1, 1, 2),))
    spacing, thickness = draw_resolutions(config, 2, np.random.default_rng(0))
    assert spacing.tolist() == [[1, 1, 3], [1, 2.5, 1]]
    assert thickness.tolist() == [[1, 1, 2], [1, 1, 2]]


def test_fixed_spacing_that_differs_by_rounding_alone_is_that_of_the_map() -> None:
    config = Acquisition(fixed_spacing_mm=((1, 1, 5),))
    spacing, _ = draw_resolutions(config, 1, np.random.default_rng(0), native_mm=0.99999)
    assert spacing.tolist() == [[0.99999, 0.99999, 5]]


def test_fixed_slices_are_as_thick_as_their_spacing_unless_said() -> None:
    config = Acquisition(fixed_spacing_mm=((1, 1, 5),))
    spacing, thickness = draw_resolutions(config, 2, np.random.default_rng(0))
    assert spacing.tolist() == thickness.tolist() == [[1, 1, 5]] * 2

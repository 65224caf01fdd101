from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest
from synthseg_generator.draws.crop import draw_crop, find_least_map_shape, measure_crop
from synthseg_generator.draws.shape import draw_affine
from synthseg_generator.errors import ConfigError
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import (
    Affine,
    Crop,
    cube,
)
from synthseg_generator.settings.ranges import Shape
from typed import there

MAP = (50, 52, 57)


def _sizes(crop: Crop, voxel_size_mm: float = 1.0) -> tuple[Shape, Shape]:
    geometry = measure_crop(crop, MAP, voxel_size_mm)
    return geometry.region, geometry.shape


def test_with_the_map_s_voxels_sample_and_region_are_one() -> None:
    assert _sizes(Crop(shape=(32, 32, 16))) == ((32, 32, 16), (32, 32, 16))


def test_coarser_voxels_show_a_larger_region() -> None:
    crop = Crop(shape=(16, 16, 16), spacing_mm=(2, 1, 3))
    assert _sizes(crop) == ((32, 16, 48), (16, 16, 16))
    assert find_least_map_shape(crop, 1.0) == (32, 16, 48)


def test_finer_voxels_show_a_smaller_region() -> None:
    assert _sizes(Crop(shape=(32, 32, 32), spacing_mm=(0.5, 0.5, 0.5))) == (
        (16, 16, 16),
        (32, 32, 32),
    )


def test_voxels_of_the_map_are_counted_in_mm() -> None:
    assert _sizes(Crop(shape=(32, 32, 32), spacing_mm=(1, 1, 1)), 0.5)[0] == (64, 64, 64)


def test_a_whole_map_is_taken_as_it_is() -> None:
    assert _sizes(Crop(shape=None)) == (MAP, MAP)
    assert find_least_map_shape(Crop(shape=None), 1.0) == (1, 1, 1)


def test_a_whole_map_at_2_mm_has_half_its_voxels() -> None:
    assert _sizes(Crop(shape=None, spacing_mm=(2, 2, 2))) == (MAP, (25, 26, 28))


def test_voxels_that_differ_by_rounding_alone_are_those_of_the_map() -> None:
    assert _sizes(Crop(shape=None, spacing_mm=(1, 1, 1)), 0.99999) == (MAP, MAP)


def test_a_whole_map_loses_no_voxel_to_the_rounding_of_numbers() -> None:
    assert measure_crop(Crop(shape=None, spacing_mm=(0.1, 0.1, 0.1)), (10, 10, 10), 0.3).shape == (
        30,
        30,
        30,
    )


def test_a_whole_map_is_cut_to_a_multiple() -> None:
    assert _sizes(Crop(shape=None, multiple=16)) == ((48, 48, 48), (48, 48, 48))
    assert _sizes(Crop(shape=None, multiple=16, spacing_mm=(2, 2, 2))) == (
        (32, 32, 32),
        (16, 16, 16),
    )


def test_a_multiple_beyond_the_map_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"crop\.multiple 64 leaves nothing"):
        _sizes(Crop(shape=None, multiple=64))


def test_fitting_a_network_is_known_before_any_map_is() -> None:
    assert Crop(shape=(32, 64, 96)).fits(32)
    assert not Crop(shape=(32, 64, 90)).fits(32)
    assert not Crop(shape=None).fits(32)
    assert Crop(shape=None, multiple=64).fits(32)


def test_centred_crop_shows_the_centre_of_the_structures_in_its_middle() -> None:
    rng = np.random.default_rng(3)
    geometry = MapGeometry((80, 80, 80), (35.0, 44.0, 41.0))
    matrix = draw_affine(Affine(), rng)
    start = draw_crop(Crop(shape=(21, 21, 21), placement="centred"), geometry, matrix, rng)
    middle = np.full(3, 39.5)
    looked_up = middle + matrix[:, :3] @ (start + 10 - middle) + matrix[:, 3]
    np.testing.assert_allclose(looked_up, there(geometry.centre), atol=1.5)


def test_crop_of_another_spacing_starts_where_its_region_fits() -> None:
    """40 voxels of 2 mm show 80 of the map's 1 mm voxels."""
    rng, geometry = np.random.default_rng(0), MapGeometry((90, 90, 80))
    crop = Crop(shape=(40, 40, 40), spacing_mm=cube(2.0))
    starts = np.array([draw_crop(crop, geometry, np.eye(3, 4), rng) for _ in range(100)])
    assert starts.min(axis=0).tolist() == [0, 0, 0]
    assert starts.max(axis=0).tolist() == [9, 9, 0]


def test_crop_of_another_spacing_beyond_the_map_is_refused() -> None:
    crop = Crop(shape=(40, 40, 40), spacing_mm=cube(2.0))
    with pytest.raises(ConfigError, match=r"crop\.shape .* \(that is \(80, 80, 80\) .*larger"):
        draw_crop(crop, MapGeometry((79, 90, 90)), np.eye(3, 4), np.random.default_rng(0))


def test_crops_are_placed_evenly() -> None:
    rng, geometry = np.random.default_rng(1), MapGeometry((1160, 1160, 1160))
    starts = [draw_crop(Crop(), geometry, np.eye(3, 4), rng) for _ in range(200)]
    assert kstest(np.ravel(starts) / 1000, "uniform").pvalue > 1e-3

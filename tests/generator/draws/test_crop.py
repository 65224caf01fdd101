import pytest
from synthseg_generator.draws.crop import crop_geometry, least_map_shape
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import Crop

MAP = (50, 52, 57)


def _sizes(crop, voxel_size_mm=1.0):
    geometry = crop_geometry(crop, MAP, voxel_size_mm)
    return geometry.region, geometry.shape


def test_with_the_map_s_voxels_sample_and_region_are_one():
    assert _sizes(Crop(shape=(32, 32, 16))) == ((32, 32, 16), (32, 32, 16))


def test_coarser_voxels_show_a_larger_region():
    crop = Crop(shape=(16, 16, 16), spacing_mm=(2, 1, 3))
    assert _sizes(crop) == ((32, 16, 48), (16, 16, 16))
    assert least_map_shape(crop, 1.0) == (32, 16, 48)


def test_finer_voxels_show_a_smaller_region():
    assert _sizes(Crop(shape=(32, 32, 32), spacing_mm=(0.5, 0.5, 0.5))) == (
        (16, 16, 16),
        (32, 32, 32),
    )


def test_voxels_of_the_map_are_counted_in_mm():
    assert _sizes(Crop(shape=(32, 32, 32), spacing_mm=(1, 1, 1)), 0.5)[0] == (64, 64, 64)


def test_a_whole_map_is_taken_as_it_is():
    assert _sizes(Crop(shape=None)) == (MAP, MAP)
    assert least_map_shape(Crop(shape=None), 1.0) == (1, 1, 1)


def test_a_whole_map_at_2_mm_has_half_its_voxels():
    assert _sizes(Crop(shape=None, spacing_mm=(2, 2, 2))) == (MAP, (25, 26, 28))


def test_voxels_that_differ_by_rounding_alone_are_those_of_the_map():
    assert _sizes(Crop(shape=None, spacing_mm=(1, 1, 1)), 0.99999) == (MAP, MAP)


def test_a_whole_map_loses_no_voxel_to_the_rounding_of_numbers():
    assert crop_geometry(Crop(shape=None, spacing_mm=(0.1, 0.1, 0.1)), (10, 10, 10), 0.3).shape == (
        30,
        30,
        30,
    )


def test_a_whole_map_is_cut_to_a_multiple():
    assert _sizes(Crop(shape=None, multiple=16)) == ((48, 48, 48), (48, 48, 48))
    assert _sizes(Crop(shape=None, multiple=16, spacing_mm=(2, 2, 2))) == (
        (32, 32, 32),
        (16, 16, 16),
    )


def test_a_multiple_beyond_the_map_is_refused():
    with pytest.raises(ConfigError, match=r"crop\.multiple 64 leaves nothing"):
        _sizes(Crop(shape=None, multiple=64))


def test_fitting_a_network_is_known_before_any_map_is():
    assert Crop(shape=(32, 64, 96)).fits(32)
    assert not Crop(shape=(32, 64, 90)).fits(32)
    assert not Crop(shape=None).fits(32)
    assert Crop(shape=None, multiple=64).fits(32)

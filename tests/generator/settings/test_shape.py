"""Settings of affine map, elastic warp and crop."""

from __future__ import annotations

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import Uniform, each_axis
from synthseg_generator.settings.shape import Affine, Crop, Elastic


def test_a_map_that_turns_the_anatomy_inside_out_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"affine\.scaling must be positive, got -0\.1"):
        Affine(scaling=each_axis(Uniform(-0.1, 1.0)))


def test_more_squarings_than_float32_can_tell_apart_are_refused() -> None:
    assert Elastic(squarings=20).squarings == 20
    with pytest.raises(ConfigError, match=r"elastic\.squarings must not exceed 20"):
        Elastic(squarings=21)


def test_a_shape_that_is_no_multiple_names_the_next_smaller_one() -> None:
    with pytest.raises(ConfigError, match=r"next smaller shape is \[64, 96, 32\]"):
        Crop(shape=(65, 96, 63), multiple=32)


@pytest.mark.parametrize(("crop", "fits"), [(Crop(), True), (Crop(shape=None), False)])
def test_whether_a_crop_suits_a_network_is_known_without_a_map(crop: Crop, fits: bool) -> None:
    assert crop.fits(32) is fits

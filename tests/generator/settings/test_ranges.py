"""Intervals and numbers of settings."""

from __future__ import annotations

import math

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.ranges import (
    Uniform,
    check_count,
    check_not_negative,
    check_positive,
    check_probability,
    coarsen_shape,
    snap,
)


def test_equal_bounds_are_a_fixed_value_and_exchanged_ones_are_refused() -> None:
    assert Uniform(2, 2).low == 2
    for low, high in ((2.0, 1.0), (math.nan, 1.0)):
        with pytest.raises(ConfigError, match="low <= high"):
            Uniform(low, high)
    with pytest.raises(ConfigError, match="finite"):
        Uniform(0, math.inf)


def test_numbers_out_of_their_range_are_refused_by_name() -> None:
    check_probability("p", 1)
    check_positive("p", 0.1)
    check_not_negative("p", 0)
    check_count("p", 1)
    with pytest.raises(ConfigError, match=r"^p must lie between 0 and 1, got 1\.01"):
        check_probability("p", 1.01)
    with pytest.raises(ConfigError, match=r"^p must be positive, got 0"):
        check_positive("p", 1, 0)
    with pytest.raises(ConfigError, match=r"^p must not be negative, got inf"):
        check_not_negative("p", math.inf)
    with pytest.raises(ConfigError, match=r"^p must be a whole number of at least 1, got 0"):
        check_count("p", 0)


def test_a_length_is_the_voxel_size_where_only_rounding_is_between() -> None:
    assert snap(1.0004, 1.0) == 1.0
    assert snap(1.01, 1.0) == 1.01


def test_a_coarser_grid_covers_the_whole() -> None:
    assert coarsen_shape((160, 161, 1), 0.025) == (4, 5, 1)

"""Settings of the simulated scanner."""

from __future__ import annotations

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.acquisition import Acquisition


def test_a_scanner_that_is_drawn_has_no_fixed_rows() -> None:
    assert Acquisition().fixed_rows(2) == ()


def test_one_row_stands_for_every_channel_and_slices_are_as_thick_as_far_apart() -> None:
    rows = Acquisition(fixed_spacing_mm=((1, 1, 5),)).fixed_rows(2)
    assert rows == (((1, 1, 5), (1, 1, 5)),) * 2


def test_a_length_that_differs_from_the_map_s_by_rounding_alone_is_the_map_s() -> None:
    scanner = Acquisition(fixed_spacing_mm=((1, 1, 5),), fixed_thickness_mm=((1, 1, 4),))
    ((spacing, thickness),) = scanner.fixed_rows(1, native_mm=0.9995)
    assert (spacing, thickness) == ((0.9995, 0.9995, 5), (0.9995, 0.9995, 4))


def test_rows_are_one_or_one_per_channel() -> None:
    scanner = Acquisition(fixed_spacing_mm=((1, 1, 5), (1, 5, 1)))
    scanner.check_channels(2)
    with pytest.raises(ConfigError, match=r"fixed_spacing_mm has 2 rows, expected 1 or .* 3"):
        scanner.check_channels(3)

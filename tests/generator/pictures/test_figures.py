"""What figures of samples share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthseg_generator.errors import StoreError
from synthseg_generator.pictures.figures import (
    find_middle,
    make_black_figure,
    save_figure,
    turn_upright,
)


def test_the_second_axis_points_up() -> None:
    plane = np.zeros((4, 3))
    plane[1, 2] = 1  # to the right of the left edge, at the top
    upright = turn_upright(plane)
    assert upright.shape == (3, 4)
    assert upright[0, 1] == 1


def test_the_middle_is_that_of_the_structures_and_of_the_volume_without_any() -> None:
    labels = np.zeros((10, 12, 14), np.int32)
    assert find_middle(labels) == [5, 6, 7]
    labels[2:5, 3, 9] = 17
    assert find_middle(labels) == [3, 3, 9]


def test_a_figure_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        figure, axes = make_black_figure(1, 2, 1.0)
        assert axes.shape == (1, 2)
        save_figure(figure, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_an_unknown_format_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    figure, _ = make_black_figure(1, 1, 1.0)
    with pytest.raises(StoreError, match=r"sheet\.xyz cannot be written"):
        save_figure(figure, tmp_path / "sheet.xyz")
    assert list(tmp_path.iterdir()) == []

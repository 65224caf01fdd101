"""How structures are drawn to grow, and how far around a sample that looks."""

from __future__ import annotations

import numpy as np
import pytest
from synthseg_common.arrays import Float32Array
from synthseg_generator.draws.growth import draw_growth, find_growth_cell, measure_growth_reach
from synthseg_generator.settings.generator import Growth, Uniform

SWELLING = Growth(labels=(4, 43), probability=0.5, distance_mm=Uniform(1, 3))
SHRINKING = Growth(labels=(17, 53), probability=1.0, distance_mm=Uniform(-2, -1))


def drawn(seed: int) -> Float32Array:
    return draw_growth((SWELLING, SHRINKING), np.random.default_rng(seed))


def test_distances_are_drawn_with_their_chance() -> None:
    swelling, shrinking = np.array([drawn(seed) for seed in range(400)]).T
    assert 0.4 < (swelling == 0).mean() < 0.6
    present = swelling[swelling != 0]
    assert 1 <= present.min() < present.max() <= 3
    assert -2 <= shrinking.min() < shrinking.max() <= -1


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    np.testing.assert_array_equal(drawn(3), drawn(3))
    assert (drawn(3) != drawn(4)).any()


@pytest.mark.parametrize(("voxel_mm", "cell"), [(1.0, 3), (0.5, 6), (2.0, 2), (10.0, 1)])
def test_cells_are_three_quarters_of_the_reach(voxel_mm: float, cell: int) -> None:
    assert find_growth_cell((SWELLING,), voxel_mm) == cell


def test_nothing_that_grows_looks_nowhere() -> None:
    assert measure_growth_reach((SWELLING,), np.zeros(1, np.float32), 1.0) == (0, 0)


def test_it_looks_as_far_as_the_gaussian_and_no_nearer_than_it_moves() -> None:
    near, far = (
        measure_growth_reach((SWELLING, SHRINKING), np.array([d, -d], np.float32), 1.0)
        for d in (0.1, 100.0)
    )
    assert near.nodes == far.nodes == 4
    assert 3 * 4 < near.around < 30
    assert far.around >= 200  # where they touch, both distances add up


def test_it_looks_over_fewer_voxels_where_they_are_larger() -> None:
    fine, coarse = (
        measure_growth_reach((SWELLING,), np.ones(1, np.float32), size).around for size in (1.0, 2)
    )
    assert coarse < fine

from __future__ import annotations

import numpy as np
import pytest
from synthseg_generator.draws.growth import (
    draw_growth,
    find_growth_cell,
    measure_growth_reach,
)
from synthseg_generator.settings.generator import Growth, Uniform

VENTRICLES = Growth(labels=(4, 43), probability=0.5, distance_mm=Uniform(1, 3))
HIPPOCAMPI = Growth(labels=(17, 53), probability=1.0, distance_mm=Uniform(-1, -1), reach_mm=2)


def test_each_grows_as_often_and_as_far_as_it_says() -> None:
    rng = np.random.default_rng(0)
    drawn = np.stack([draw_growth((VENTRICLES, HIPPOCAMPI), rng) for _ in range(2000)])
    assert drawn.dtype == np.float32
    grown = drawn[:, 0] != 0
    assert grown.mean() == pytest.approx(0.5, abs=0.04)
    assert drawn[grown, 0].min() >= 1
    assert drawn[grown, 0].max() <= 3
    assert (drawn[:, 1] == -1).all()


def test_cells_are_finer_than_the_shortest_reach() -> None:
    assert find_growth_cell((VENTRICLES,), 1.0) == 3
    assert find_growth_cell((VENTRICLES, HIPPOCAMPI), 1.0) == 2
    assert find_growth_cell((HIPPOCAMPI,), 4.0) == 1


def test_where_nothing_grows_it_looks_no_further() -> None:
    assert measure_growth_reach((VENTRICLES,), np.zeros(1, np.float32), 1.0) == (0, 0)


def test_it_looks_at_least_as_far_as_walls_move_and_smoothing_reaches() -> None:
    both = (VENTRICLES, HIPPOCAMPI)
    reach = measure_growth_reach(both, np.array([3, -1], np.float32), 1.0)
    assert reach.nodes == 2
    assert reach.around >= max(3 + 1, 3 * VENTRICLES.reach_mm)

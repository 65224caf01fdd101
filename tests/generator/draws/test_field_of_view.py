"""Which part of a crop was scanned."""

from __future__ import annotations

import numpy as np
from synthseg_generator.draws.field_of_view import draw_field_of_view
from synthseg_generator.settings.generator import FieldOfView, Uniform

CUT = FieldOfView(probability=1, fraction=Uniform(0.4, 0.8))
WHOLE = [[0, 1]] * 3


def test_one_axis_keeps_a_fraction_of_the_range() -> None:
    axes, ends = set(), set()
    for seed in range(100):
        shares = draw_field_of_view(CUT, np.random.default_rng(seed))
        assert shares.dtype == np.float32
        kept = shares[:, 1] - shares[:, 0]
        (axis,) = np.flatnonzero(kept < 1)
        first, last = shares[axis]
        assert 0 <= first < last <= 1 + 1e-6
        assert 0.4 - 1e-6 <= kept[axis] <= 0.8 + 1e-6
        axes.add(int(axis))
        ends.add((bool(first > 0), bool(last < 1 - 1e-6)))
    assert axes == {0, 1, 2}
    assert ends == {(True, False), (False, True), (True, True)}


def test_other_samples_are_whole() -> None:
    shares = draw_field_of_view(FieldOfView(probability=0), np.random.default_rng(0))
    assert shares.tolist() == WHOLE


def test_the_chance_is_that_of_the_settings() -> None:
    half = FieldOfView(probability=0.5)
    whole = [
        draw_field_of_view(half, np.random.default_rng(seed)).tolist() == WHOLE
        for seed in range(1000)
    ]
    assert 0.45 < np.mean(whole) < 0.55

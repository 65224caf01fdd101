from __future__ import annotations

import numpy as np
import pytest
from synthseg_generator.draws.field_of_view import draw_field_of_view
from synthseg_generator.settings.generator import FieldOfView, Uniform


def test_one_axis_loses_one_end_or_both_as_often_as_it_says() -> None:
    config = FieldOfView(probability=0.5, fraction=Uniform(0.5, 0.8))
    rng = np.random.default_rng(0)
    drawn = np.stack([draw_field_of_view(config, rng) for _ in range(2000)])
    assert drawn.shape == (2000, 3, 2)
    widths = drawn[..., 1] - drawn[..., 0]
    cut = widths < 1
    assert cut.any(1).mean() == pytest.approx(0.5, abs=0.04)
    assert cut.sum(1).max() == 1
    np.testing.assert_allclose(cut.mean(0), 1 / 6, atol=0.03)
    assert widths[cut].min() >= 0.5 - 1e-6
    assert widths[cut].max() <= 0.8 + 1e-6
    first, last = drawn[..., 0][cut], drawn[..., 1][cut]
    assert first.min() >= 0
    assert last.max() <= 1 + 1e-6
    for share in (first == 0, np.isclose(last, 1), (first > 0) & ~np.isclose(last, 1)):
        assert share.mean() == pytest.approx(1 / 3, abs=0.06)

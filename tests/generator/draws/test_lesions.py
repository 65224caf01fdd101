from __future__ import annotations

import numpy as np
import pytest
from synthseg_generator.draws.lesions import draw_lesions, find_lesion_shape
from synthseg_generator.settings.generator import Lesions, Prior, Uniform

LESIONS = Lesions(
    probability=0.5, threshold=Uniform(1, 2), means=Prior(rows=((-100.0, 100.0),)), size_mm=5
)


@pytest.mark.parametrize(("voxel_mm", "nodes"), [(1.0, 12), (2.5, 30), (20.0, 60)])
def test_nodes_lie_as_far_apart_as_lesions_are_wide(voxel_mm: float, nodes: int) -> None:
    assert find_lesion_shape(LESIONS, (60, 60, 60), voxel_mm) == (nodes,) * 3


def test_lesions_come_as_often_as_they_say_and_are_never_darker_than_black() -> None:
    rng = np.random.default_rng(0)
    rows = [draw_lesions(LESIONS, (3, 4, 5), 2, rng) for _ in range(1000)]
    thresholds = np.array([row["lesion_threshold"] for row in rows])
    present = np.isfinite(thresholds)
    assert present.mean() == pytest.approx(0.5, abs=0.05)
    assert ((thresholds[present] >= 1) & (thresholds[present] <= 2)).all()
    assert all(row["lesion_nodes"].shape == (3, 4, 5) for row in rows)
    means = np.stack([row["lesion_means"] for row in rows])
    assert means.shape == (1000, 2)
    assert means.min() == 0
    assert means.max() > 50
    assert np.mean(means == 0) == pytest.approx(0.5, abs=0.05)

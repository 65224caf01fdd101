"""How lesions are drawn."""

from __future__ import annotations

import numpy as np
from synthseg_generator.arrays import Row
from synthseg_generator.draws.lesions import draw_lesions, find_lesion_shape
from synthseg_generator.settings.generator import Lesions, Prior, Uniform

HALF = Lesions(
    probability=0.5,
    threshold=Uniform(2, 3),
    means=Prior(rows=((100.0, 110.0),)),
    stds=Prior(distribution="normal", rows=((-5.0, 0.0),)),
)


def drawn(seed: int) -> Row:
    return draw_lesions(HALF, (5, 6, 7), 2, np.random.default_rng(seed))


def test_nodes_are_as_far_apart_as_the_size() -> None:
    assert find_lesion_shape(Lesions(size_mm=6), (60, 120, 61), 1.0) == (10, 20, 11)
    assert find_lesion_shape(Lesions(size_mm=6), (60, 120, 61), 2.0) == (20, 40, 21)
    assert find_lesion_shape(Lesions(size_mm=0.5), (60, 120, 61), 1.0) == (60, 120, 61)


def test_samples_have_them_with_their_chance() -> None:
    rows = [drawn(seed) for seed in range(200)]
    thresholds = np.array([row["lesion_threshold"] for row in rows])
    present = np.isfinite(thresholds)
    assert 0.4 < present.mean() < 0.6
    assert 2 <= thresholds[present].min() < thresholds[present].max() <= 3
    assert [row["lesion_nodes"].any() for row in rows] == present.tolist()


def test_rows_have_the_documented_shapes_and_types() -> None:
    row = drawn(0)
    assert {np.asarray(value).dtype for value in row.values()} == {np.dtype(np.float32)}
    assert {name: np.shape(value) for name, value in row.items()} == {
        "lesion_nodes": (5, 6, 7),
        "lesion_threshold": (),
        "lesion_means": (2,),
        "lesion_stds": (2,),
    }
    assert np.all((row["lesion_means"] >= 100) & (row["lesion_means"] <= 110))
    assert row["lesion_means"][0] != row["lesion_means"][1]
    assert not row["lesion_stds"].any()  # negative draws become 0


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    for name, value in drawn(1).items():
        np.testing.assert_array_equal(value, drawn(1)[name])
    assert drawn(1)["lesion_means"][0] != drawn(2)["lesion_means"][0]

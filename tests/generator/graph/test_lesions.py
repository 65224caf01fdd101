"""Lesions: spots of white matter with an intensity of their own."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray
from small_graphs import SHAPE, draw_row
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.graph.lesions import find_lesions, smooth_field
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.settings.generator import (
    Crop,
    GeneratorSettings,
    Lesions,
    Prior,
    Uniform,
)

CROP = Crop(shape=(32, 32, 32))
BRIGHT = Lesions(
    probability=1.0,
    threshold=Uniform(0.5, 0.5),
    means=Prior(rows=((900.0, 900.0),)),
    stds=Prior(rows=((0.0, 0.0),)),
)


def test_the_field_varies_alike_at_nodes_and_between_them() -> None:
    rng = np.random.default_rng(0)
    fields = np.stack(
        [
            ops.convert_to_numpy(
                smooth_field(rng.standard_normal((6, 6, 6)).astype(np.float32), (24, 24, 24))
            )
            for _ in range(200)
        ]
    )
    deviations = fields.std(0)
    assert deviations.mean() == pytest.approx(1, abs=0.02)
    assert deviations.min() > 0.75
    assert deviations.max() < 1.25


def test_lesions_lie_only_in_the_labels_that_may_have_them() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (20, 20, 20)).astype(np.int32)
    nodes = rng.standard_normal((5, 5, 5)).astype(np.float32)
    affected = ops.convert_to_tensor(np.array([False, True, False]))
    found = ops.convert_to_numpy(find_lesions(labels, nodes, np.float32(0.0), affected))
    assert not found[labels != 1].any()
    assert 0.3 < found[labels == 1].mean() < 0.7
    never = find_lesions(labels, nodes, np.float32(np.inf), affected)
    assert not ops.convert_to_numpy(never).any()


def test_they_change_the_image_in_white_matter_alone_and_the_target_nowhere(
    ids: NDArray[np.uint8],
) -> None:
    plain, with_lesions = GeneratorSettings(crop=CROP), GeneratorSettings(crop=CROP, lesions=BRIGHT)
    noise = np.zeros((32, 32, 32, 1), np.float32)
    row, lesioned_row = draw_row(0, plain), draw_row(0, with_lesions)
    without = Synthesizer(plain, GENERATION_V2, SHAPE)
    within = Synthesizer(with_lesions, GENERATION_V2, SHAPE)
    labels = without.deform(ids, row)
    np.testing.assert_array_equal(labels, within.deform(ids, lesioned_row))
    before = ops.convert_to_numpy(without.mix(labels, row, noise))[..., 0]
    after = ops.convert_to_numpy(within.mix(labels, lesioned_row, noise))[..., 0]
    white = np.isin(np.array(GENERATION_V2.values)[ops.convert_to_numpy(labels)], (2, 41))
    changed = before != after
    assert not changed[~white].any()
    assert 0.05 < changed[white].mean() < 0.95
    assert (after[changed] == 900).all()
    np.testing.assert_array_equal(without.target(labels, row), within.target(labels, lesioned_row))

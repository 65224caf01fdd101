"""Lesions within structures."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from synthseg_common.arrays import Float32Array
from synthseg_generator.graph.lesions import find_lesions, smooth_field

SHAPE = (40, 48, 44)
NODES = (8, 9, 10)


def nodes(seed: int = 0) -> Float32Array:
    return np.random.default_rng(seed).standard_normal(NODES).astype(np.float32)


def test_the_field_is_a_sum_of_gaussians_around_the_nodes() -> None:
    field = ops.convert_to_numpy(smooth_field(nodes(), SHAPE))
    weights = []
    for n, size in zip(SHAPE, NODES, strict=True):
        apart = np.subtract.outer(np.arange(n) * size / n, np.arange(size))
        row = np.exp(-(apart**2) / (2 * 0.6**2))
        weights.append(row / np.sqrt((row**2).sum(axis=1, keepdims=True)))
    expected = np.einsum("xi,yj,zk,ijk->xyz", *weights, nodes())
    np.testing.assert_allclose(field, expected, atol=1e-5)


def test_the_field_is_standard_normal_everywhere() -> None:
    fields = np.stack([ops.convert_to_numpy(smooth_field(nodes(k), SHAPE)) for k in range(400)])
    deviations = fields[:, ::5, ::5, ::5].std(axis=0)
    assert deviations.min() > 0.8
    assert deviations.max() < 1.2
    assert deviations.mean() == pytest.approx(1, abs=0.01)
    assert (fields > 2).mean() == pytest.approx(0.0228, abs=0.003)


def test_lesions_are_where_the_field_is_high_in_affected_labels() -> None:
    labels = np.zeros(SHAPE, np.int32)
    labels[20:], labels[30:] = 1, 2
    field = ops.convert_to_numpy(smooth_field(nodes(), SHAPE))
    found = ops.convert_to_numpy(
        find_lesions(labels, nodes(), np.float32(1), np.array([False, True, False]))
    )
    np.testing.assert_array_equal(found, (field > 1) & (labels == 1))
    assert found.any()


def test_an_infinite_threshold_leaves_none() -> None:
    labels = np.ones(SHAPE, np.int32)
    found = find_lesions(labels, nodes(), np.float32(np.inf), np.array([True, True]))
    assert not ops.convert_to_numpy(found).any()

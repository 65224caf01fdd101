"""Which part of a segmentation is scored, and as what."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.parcels import GROUP_OF_LABEL
from synthseg_serving.official.quality import framed, groups_of, largest_scored_size


def in_a_cube(labels: np.ndarray, size: int, unframed: int) -> np.ndarray:
    """Section 6 of the original's facts, in NumPy."""
    held = np.argwhere((labels > 0) & (labels != unframed))
    shape = np.array(labels.shape)
    low = held.min(0) if len(held) else np.zeros(3, int)
    high = held.max(0) + 1 if len(held) else np.minimum(shape, size)
    missing = size - (high - low)
    low, high = low - -(-missing // 2), high + missing // 2
    part = labels[tuple(slice(max(a, 0), b) for a, b in zip(low, high, strict=True))]
    edges = [(max(-a, 0), max(b - n, 0)) for a, b, n in zip(low, high, shape, strict=True)]
    return np.pad(part, edges)


@pytest.mark.parametrize(
    ("shape", "box"),
    list(
        itertools.product(
            [(20, 31, 16), (40, 40, 40)], [(2, 9), (0, 16), (7, 15), (0, 40), (3, 31), (9, 9)]
        )
    ),
    ids=str,
)
def test_brain_is_framed_as_the_original_does(
    shape: tuple[int, int, int], box: tuple[int, int]
) -> None:
    size, unframed = 16, 24
    labels = np.zeros(shape, np.int32)
    labels[0, 0, 0] = labels[-1, -1, -1] = unframed
    inside = tuple(slice(box[0], box[1] - axis) for axis in range(3))
    labels[inside] = np.arange(1, 1 + labels[inside].size).reshape(labels[inside].shape) % 17 + 1
    cube = framed(tf.constant(labels), tf.constant(size), tf.constant(unframed)).numpy()
    assert cube.shape == (size,) * 3
    np.testing.assert_array_equal(cube, in_a_cube(labels, size, unframed))


def test_every_label_has_its_group() -> None:
    values = np.array(sorted(GROUP_OF_LABEL), np.int32)
    found = groups_of(tf.constant(values)).numpy()
    assert dict(zip(values.tolist(), found.tolist(), strict=True)) == GROUP_OF_LABEL


def test_largest_cube_is_what_the_model_takes() -> None:
    assert largest_scored_size(contract.DEFAULT_MAX_VOXELS) == 320
    assert largest_scored_size(224**3 - 1) == 208
    assert largest_scored_size(1024**3) == contract.LARGEST_SCORED_SIZE

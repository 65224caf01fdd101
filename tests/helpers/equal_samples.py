"""Samples that must be the same, number by number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from synthseg_common.arrays import AnyArray
from synthseg_generator.draws.sample_parameters import SampleParameters
from synthseg_generator.feed.stream_worker import CutSample
from synthseg_generator.sample import Sample


def assert_same(one: Sample, other: Sample) -> None:
    """Image and labels."""
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.labels, other.labels)


def assert_same_row(one: Mapping[str, AnyArray], other: Mapping[str, AnyArray]) -> None:
    """Every value of the one, types included."""
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name, strict=True)


def assert_same_parameters(one: SampleParameters, other: SampleParameters) -> None:
    """All that was drawn."""
    assert_same_row(one.to_row(), other.to_row())


def assert_same_cut(one: CutSample, other: CutSample) -> None:
    """Number, labels, place and all that was drawn."""
    assert one.k == other.k
    np.testing.assert_array_equal(one.labels, other.labels, strict=True)
    np.testing.assert_array_equal(one.box_start, other.box_start, strict=True)
    assert_same_row(one.row, other.row)

"""Numbers beyond float32."""

from __future__ import annotations

import numpy as np
import pytest
from synthseg_common.arrays import AnyArray
from synthseg_common.images import as_float32

SCAN = np.random.default_rng(0).random((6, 7, 8)) * 100


@pytest.mark.parametrize("scale", [1e-320, 1e-45, 1e-30, 1e25, 1e39, 1e300])
def test_huge_and_tiny_values_are_scaled_by_one_factor(scale: float) -> None:
    values = SCAN * scale
    image, notes = as_float32(values)
    assert image.dtype == np.float32
    assert len(notes) == 1
    np.testing.assert_allclose(image / image.max(), values / values.max(), atol=1e-3)
    assert 0.1 < image.max() < 10


def test_also_where_only_float32_is_left_of_them() -> None:
    image, notes = as_float32((SCAN * 1e36).astype(np.float32))
    assert len(notes) == 1
    assert np.isfinite(np.square(image.astype(np.float32))).all()


def test_a_single_huge_value_among_usual_ones_is_infinite() -> None:
    values = SCAN.copy()
    values[0, 0, 0] = 1e200
    image, notes = as_float32(values)
    assert notes == ()
    assert np.isinf(image[0, 0, 0])
    np.testing.assert_allclose(image.ravel()[1:], values.ravel()[1:], rtol=1e-6)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("mark", [np.finfo(np.float32).max, -np.finfo(np.float32).max])
def test_one_huge_number_that_marks_voxels_without_a_value_is_infinite(
    mark: float, share: float
) -> None:
    marked = np.random.default_rng(1).random(SCAN.shape) < share
    values = np.where(marked, np.float32(mark), SCAN.astype(np.float32))
    image, notes = as_float32(values)
    assert notes == ()
    np.testing.assert_array_equal(np.isinf(image), marked)
    np.testing.assert_array_equal(image[~marked], values[~marked])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.float16, np.float32, np.bool_])
def test_usual_values_are_cast_alone(dtype: str) -> None:
    image, notes = as_float32(SCAN.astype(dtype))
    assert notes == ()
    np.testing.assert_array_equal(image, SCAN.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_nothing_to_scale_by_is_no_error(value: AnyArray) -> None:
    image, notes = as_float32(np.full((2, 2, 2), value))
    assert notes == ()
    np.testing.assert_array_equal(image, np.full((2, 2, 2), value, np.float32))

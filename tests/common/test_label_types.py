import numpy as np
import pytest
from synthseg_common.label_types import channel_dtype, label_dtype, sent_label_dtype


@pytest.mark.parametrize(
    ("largest", "dtype"), [(60, "u1"), (255, "u1"), (2035, "i2"), (12175, "i2"), (70000, "i4")]
)
def test_labels_take_the_smallest_type_that_holds_the_table(largest: int, dtype: str) -> None:
    assert label_dtype(largest) == np.dtype(dtype)


def test_large_label_values_take_a_larger_type() -> None:
    assert [sent_label_dtype(n) for n in (255, 256, 70_000)] == [np.uint8, np.uint16, np.int32]


def test_channels_count_from_zero() -> None:
    assert [channel_dtype(n) for n in (2, 256, 257)] == [np.uint8, np.uint8, np.uint16]

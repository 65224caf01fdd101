from __future__ import annotations

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.options import Crop


def test_crops_are_rounded_up_to_multiples_of_32() -> None:
    assert Crop.of_size([33]).size == (64, 64, 64)
    assert Crop.of_size([40, 64, 80]).size == (64, 64, 96)
    assert Crop.of_size([64]).min_size == (64, 64, 64)
    assert Crop.none().min_size == Crop().min_size == (128, 128, 128)


@pytest.mark.parametrize("sizes", [[], [1, 2], [0], [-32], [1, 2, 3, 4]])
def test_crops_that_make_no_sense_are_refused(sizes: list[int]) -> None:
    with pytest.raises(UsageError):
        Crop.of_size(sizes)

from __future__ import annotations

import numpy as np
import pytest
from synthseg_common.triples import triple


def test_three_numbers_of_any_integer_type_become_pythons() -> None:
    found = triple(np.array([1, 2, 3], np.int32))
    assert found == (1, 2, 3)
    assert all(type(n) is int for n in found)


@pytest.mark.parametrize("numbers", [(1, 2), (1, 2, 3, 4)])
def test_fewer_or_more_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        triple(numbers)

import pytest
from synthseg_common.processing import mirrored_shift


@pytest.mark.parametrize(("stem", "shift"), [(1, 0), (2, 1), (4, 2)])
def test_the_mirrored_pass_is_shifted_by_half_a_block_where_there_are_blocks(
    stem: int, shift: int
) -> None:
    assert mirrored_shift(stem) == shift

import numpy as np
import pytest
from synthseg_trainer.network.upsampling import meeting_taps, window_start


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("parity", [0, 1])
def test_summed_taps_see_what_the_kernel_sees_after_upsampling(size: int, parity: int) -> None:
    rng = np.random.default_rng(size)
    low, kernel = rng.normal(size=12), rng.normal(size=size)
    middle, radius = 6, size // 2
    upsampled = low.repeat(2)
    place = 2 * middle + parity
    expected = kernel @ upsampled[place - radius : place + radius + 1]
    first = middle + window_start(parity, radius)
    summed = meeting_taps(size)[parity] @ kernel
    assert summed @ low[first : first + radius + 1] == pytest.approx(expected)


def test_every_tap_meets_one_voxel() -> None:
    np.testing.assert_array_equal(meeting_taps(5).sum(1), np.ones((2, 5)))

import numpy as np
import pytest
from synthseg_common.resampling import new_centres, stays_on_grid


@pytest.mark.parametrize(
    ("largest", "stays"), [(1.0, True), (1.04, True), (1.05, True), (1.06, False), (0.96, True)]
)
def test_voxels_within_five_percent_of_the_network_s_stay(largest: float, stays: bool) -> None:
    assert stays_on_grid(np.array([1.0, 1.0, largest]), 1.0) is stays


def test_the_lower_bound_itself_is_sampled_anew() -> None:
    assert not stays_on_grid(np.array([np.float32(0.95), 1.0, 1.0]), 1.0)


def test_new_voxels_share_the_old_ones_between_them() -> None:
    np.testing.assert_allclose(new_centres(2.0, 2), [-0.25, 0.25, 0.75, 1.25])
    np.testing.assert_allclose(new_centres(0.5, 4), [0.5, 2.5])

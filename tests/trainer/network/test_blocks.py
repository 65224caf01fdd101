import numpy as np
import pytest
from keras import ops
from synthseg_trainer.network.blocks import DepthToSpace, SpaceToDepth, fold, unfold


def test_folding_is_undone_by_unfolding() -> None:
    volume = np.random.default_rng(0).random((2, 4, 6, 8, 3), np.float32)
    np.testing.assert_array_equal(DepthToSpace(2)(SpaceToDepth(2)(volume)), volume)


def test_folded_channels_run_x_slowest_and_the_original_channel_fastest() -> None:
    volume = np.arange(16).reshape(1, 2, 2, 2, 2)
    np.testing.assert_array_equal(ops.convert_to_numpy(fold(volume, 2)).ravel(), np.arange(16))


@pytest.mark.parametrize("block", [1, 2, 3])
def test_unfolded_channels_go_to_the_voxels_of_their_block(block: int) -> None:
    folded = np.arange(block**3 * 2).reshape(1, 1, 1, 1, -1)
    unfolded = ops.convert_to_numpy(unfold(folded, block))
    assert unfolded.shape == (1, block, block, block, 2)
    np.testing.assert_array_equal(unfolded.ravel(), np.arange(block**3 * 2))

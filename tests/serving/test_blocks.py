"""Reshaping steps of the served network against those of the trained one."""

from __future__ import annotations

import numpy as np
import pytest
from synthseg_serving.blocks import fold, max_pool, unfold
from synthseg_trainer.network.blocks import fold as trained_fold

VOLUME = np.random.default_rng(0).normal(size=(4, 8, 12, 3)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 2, 4])
def test_blocks_are_folded_as_the_network_learned_them_and_unfold_again(block: int) -> None:
    folded = fold(VOLUME, block)
    np.testing.assert_array_equal(folded, trained_fold(VOLUME[None], block)[0])
    np.testing.assert_array_equal(unfold(folded, block), VOLUME)


def test_pooling_takes_the_largest_of_each_block() -> None:
    blocks = VOLUME.reshape(2, 2, 4, 2, 6, 2, 3)
    np.testing.assert_array_equal(max_pool(VOLUME), blocks.max(axis=(1, 3, 5)))

import numpy as np
import tensorflow as tf
from synthseg_trainer.training.batch import draw_subvoxels, fold_target


def test_folded_targets_hold_every_voxel_once() -> None:
    target = np.arange(4 * 6 * 2, dtype=np.int32).reshape(1, 4, 6, 2)
    assert sorted(np.array(fold_target(target, 2)).ravel()) == list(range(48))


def test_drawn_subvoxels_differ_from_each_other_and_repeat_with_their_key() -> None:
    draws = [draw_subvoxels(3, 2, tf.constant([1, key])).numpy() for key in (5, 5, 6, 7, 8)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert all(len(set(draw.tolist())) == 3 for draw in draws)
    assert len({tuple(draw) for draw in draws}) > 1

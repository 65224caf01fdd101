import keras
import numpy as np
import pytest
import tensorflow as tf
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.network.unet import build_unet, fold
from synthseg_trainer.training.batch import draw_subvoxels, fold_target, head_logits

SETTINGS = NetworkSettings(n_labels=5, features=3, n_levels=2, stem=2)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    model = build_unet(SETTINGS)
    head = model.get_layer(LOGITS)
    image = np.random.default_rng(0).random((2, 8, 12, 8, 1), np.float32)
    return model(image), head, keras.Model(model.input, head.input)(image)


def test_all_subvoxels_are_the_network_s_answer_in_the_order_of_folded_targets(network):
    answer, head, features = network
    logits = head_logits(head, features, 2).numpy()
    labels = logits.shape[-1]
    folded = fold(answer, 2).numpy().reshape(*logits.shape[:4], 8, labels)
    np.testing.assert_allclose(logits, folded, atol=1e-5)


def test_some_subvoxels_are_a_part_of_all(network):
    _, head, features = network
    every = head_logits(head, features, 2).numpy()
    some = head_logits(head, features, 2, tf.constant([6, 1])).numpy()
    np.testing.assert_allclose(some, every[..., [6, 1], :], atol=1e-6)


def test_folded_targets_hold_every_voxel_once():
    target = np.arange(4 * 6 * 2, dtype=np.int32).reshape(1, 4, 6, 2)
    assert sorted(np.array(fold_target(target, 2)).ravel()) == list(range(48))


def test_drawn_subvoxels_differ_from_each_other_and_repeat_with_their_key():
    draws = [draw_subvoxels(3, 2, tf.constant([1, key])).numpy() for key in (5, 5, 6, 7, 8)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert all(len(set(draw.tolist())) == 3 for draw in draws)
    assert len({tuple(draw) for draw in draws}) > 1

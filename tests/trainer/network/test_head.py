import keras
import numpy as np
import pytest
import tensorflow as tf
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.blocks import fold
from synthseg_trainer.network.head import head_logits
from synthseg_trainer.network.layer_names import LOGITS
from synthseg_trainer.network.unet import build_unet

SETTINGS = NetworkSettings(n_labels=5, features=3, n_levels=2, stem=2)


@pytest.fixture(scope="module")
def network() -> tuple[tf.Tensor, keras.layers.Layer, tf.Tensor]:
    keras.utils.set_random_seed(0)
    model = build_unet(SETTINGS)
    head = model.get_layer(LOGITS)
    image = np.random.default_rng(0).random((2, 8, 12, 8, 1), np.float32)
    return model(image), head, keras.Model(model.input, head.input)(image)


def test_all_subvoxels_are_the_network_s_answer_in_the_order_of_folded_targets(
    network: tuple[tf.Tensor, keras.layers.Layer, tf.Tensor],
) -> None:
    answer, head, features = network
    logits = head_logits(head, features, 2).numpy()
    labels = logits.shape[-1]
    folded = fold(answer, 2).numpy().reshape(*logits.shape[:4], 8, labels)
    np.testing.assert_allclose(logits, folded, atol=1e-5)


def test_some_subvoxels_are_a_part_of_all(
    network: tuple[tf.Tensor, keras.layers.Layer, tf.Tensor],
) -> None:
    _, head, features = network
    every = head_logits(head, features, 2).numpy()
    some = head_logits(head, features, 2, tf.constant([6, 1])).numpy()
    np.testing.assert_allclose(some, every[..., [6, 1], :], atol=1e-6)

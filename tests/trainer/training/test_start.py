import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf
from synthseg_common.labels import SYNTHSEG_V1
from synthseg_generator.feed.samples import Shard
from synthseg_generator.settings.generator import Crop, GeneratorSettings
from synthseg_trainer.aliases import Batch
from synthseg_trainer.config import NetworkSettings, Stage, TrainSettings
from synthseg_trainer.network.bundle import load_bundle
from synthseg_trainer.training.learner import Learner
from synthseg_trainer.training.start import start_from_label_sizes, start_from_network

NETWORK = NetworkSettings(n_labels=32, features=4, n_levels=3)


def _learner(network: NetworkSettings) -> Learner:
    stage = Stage(name="s", steps=1, generator=GeneratorSettings(crop=Crop(shape=(8, 8, 8))))
    settings = TrainSettings(store="none.zarr", network=network, stages=(stage,))
    return Learner(settings, tf.distribute.get_strategy())


def test_a_network_of_the_same_labels_is_taken_whole(small_bundle: Path) -> None:
    learner = _learner(NETWORK)
    start_from_network(learner, NETWORK, SYNTHSEG_V1, small_bundle)
    taken = learner.weights()
    for name, value in load_bundle(small_bundle).weights.items():
        np.testing.assert_array_equal(taken[name], value)


def test_the_last_layer_starts_at_how_often_labels_are() -> None:
    class Source:
        def dataset(self, shard: Shard) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensors({"k": 0}).repeat(shard.count)

        def describe(self, k: int, folder: Path) -> str:
            return f"sample {k}"

        def render(self, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
            return None, tf.constant([[[[0, 0, 0, 1]]]])

    network = dataclasses.replace(NETWORK, n_labels=3, stem=2)
    learner = _learner(network)
    start_from_label_sizes(learner, network, Source())
    bias = learner.head.bias.numpy().reshape(8, 3)
    np.testing.assert_allclose(bias[0], np.log([13 / 19, 5 / 19, 1 / 19]), rtol=1e-5)
    assert np.all(bias == bias[0])

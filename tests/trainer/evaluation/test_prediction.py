from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from synthseg_common.labels import SYNTHSEG_V1
from synthseg_serving.inference import Segmenter
from synthseg_trainer.aliases import FloatArray
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.evaluation.prediction import Predictor, rescale
from synthseg_trainer.network.bundle import Bundle, weights_of
from synthseg_trainer.network.unet import build_unet


def _bundle(**settings: Any) -> Bundle:
    """A network whose answers differ from voxel to voxel; always the same one."""
    keras.utils.set_random_seed(2)
    network = NetworkSettings(n_labels=32, features=4, n_levels=2, **settings)
    rng = np.random.default_rng(0)
    weights = {
        name: value
        if name.endswith("variance")
        else (value + 0.3 * rng.normal(size=value.shape)).astype(np.float32)
        for name, value in weights_of(build_unet(network)).items()
    }
    return Bundle(network=network, labels=SYNTHSEG_V1, weights=weights)


@pytest.fixture(scope="module")
def image() -> FloatArray:
    steps: FloatArray = np.random.default_rng(1).normal(size=(40, 30, 20)).astype(np.float32)
    return steps.cumsum(0)


@pytest.mark.parametrize("settings", [{"stem": 2, "normalization": "instance"}, {"stem": 1}])
@pytest.mark.parametrize("flip", [False, True])
def test_answers_are_those_of_the_served_graph(
    settings: dict[str, Any], flip: bool, image: FloatArray
) -> None:
    bundle = _bundle(**settings)
    predictor = Predictor(bundle.network, bundle.labels.flip_channels)
    predictor.load(bundle.weights)
    channels = predictor.segment(image, flip=flip, min_size=32)
    served = Segmenter(bundle, {}).segment(
        tf.constant(image), tf.constant([32] * 3), tf.constant(flip), tf.constant(True)
    )
    labels = np.array(bundle.labels.values)[channels]
    # The server keeps the mirrored pass in fewer bits: ties may fall the other way.
    assert np.mean(labels == served["labels"].numpy()) > 0.999
    assert len(np.unique(labels)) > 5


def test_weights_of_another_network_are_refused() -> None:
    first, second = _bundle(stem=1), _bundle(stem=2)
    predictor = Predictor(first.network, first.labels.flip_channels)
    with pytest.raises(CheckpointError, match="do not fit the network"):
        predictor.load(second.weights)


def test_rescaling_clips_percentiles_and_a_constant_scan_is_zero() -> None:
    scan = np.arange(1001, dtype=np.float32).reshape(7, 11, 13)
    found = rescale(scan)
    assert (found.min(), found.max()) == (0, 1)
    assert found.ravel()[500] == pytest.approx(0.5)
    assert (found.ravel()[:6] == 0).all()
    np.testing.assert_array_equal(rescale(np.full((3, 3, 3), 7, np.float32)), np.zeros((3, 3, 3)))

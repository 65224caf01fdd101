import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from bench import meshnet

RNG = np.random.default_rng(0)


def write_model(folder: Path, activation: str = "elu") -> dict[str, np.ndarray]:
    """A network of two layers: three features with dilation 2, then two classes."""
    weights = {
        "first/kernel": RNG.normal(size=(3, 3, 3, 1, 3)).astype("<f4"),
        "first/bias": RNG.normal(size=3).astype("<f4"),
        "last/kernel": RNG.normal(size=(1, 1, 1, 3, 2)).astype("<f4"),
        "last/bias": RNG.normal(size=2).astype("<f4"),
    }
    layers = [
        {"class_name": "InputLayer", "config": {"name": "input"}},
        {"class_name": "Conv3D", "config": {"name": "first", "dilation_rate": [2, 2, 2]}},
        {"class_name": "Activation", "config": {"name": "a", "activation": activation}},
        {"class_name": "Conv3D", "config": {"name": "last", "dilation_rate": [1, 1, 1]}},
    ]
    manifest = [{"name": name, "shape": value.shape} for name, value in weights.items()]
    described = {
        "modelTopology": {"model_config": {"config": {"layers": layers}}},
        "weightsManifest": [{"paths": ["model.bin"], "weights": manifest}],
    }
    (folder / "model.json").write_text(json.dumps(described))
    (folder / "model.bin").write_bytes(b"".join(w.tobytes() for w in weights.values()))
    return weights


def test_layers_come_back_as_they_were_written(tmp_path: Path) -> None:
    weights = write_model(tmp_path)

    first, last = meshnet.read_layers(tmp_path)

    np.testing.assert_array_equal(first.kernel, weights["first/kernel"])
    np.testing.assert_array_equal(last.bias, weights["last/bias"])
    assert (first.dilation, last.dilation) == (2, 1)


def test_other_activations_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path, "relu")

    with pytest.raises(ValueError, match="relu"):
        meshnet.read_layers(tmp_path)


def test_classes_are_those_of_convolutions_by_hand(tmp_path: Path) -> None:
    weights = write_model(tmp_path)
    image = RNG.uniform(size=(9, 8, 7)).astype(np.float32)
    features = []
    for index in range(3):
        spread = np.zeros((5, 5, 5))
        spread[::2, ::2, ::2] = weights["first/kernel"][..., 0, index]
        value = ndimage.correlate(image, spread, mode="constant") + weights["first/bias"][index]
        features.append(np.where(value > 0, value, np.expm1(value)))
    scores = np.tensordot(features, weights["last/kernel"][0, 0, 0], (0, 0)) + weights["last/bias"]

    found = meshnet.apply(image, meshnet.read_layers(tmp_path))

    np.testing.assert_array_equal(found, scores.argmax(-1))


def test_only_the_largest_piece_stays_whatever_its_classes() -> None:
    classes = np.zeros((8, 8, 8), np.int64)
    classes[:3, :3, :3] = 1
    classes[3, 3, 3] = 2  # hangs on by a corner
    classes[6:, 6:, 6:] = 3

    kept = meshnet.largest_piece(classes)

    assert set(np.unique(kept)) == {0, 1, 2}
    assert not meshnet.largest_piece(np.zeros((2, 2, 2), np.int64)).any()


def test_scans_that_are_not_conformed_are_refused() -> None:
    with pytest.raises(ValueError, match="conformed"):
        meshnet.segment(np.zeros((10, 10, 10)), [])

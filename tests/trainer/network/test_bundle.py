from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from synthseg_common.labels import SYNTHSEG_V1
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import (
    Bundle,
    assign_weights,
    load_bundle,
    save_bundle,
    weights_of,
)
from synthseg_trainer.network.unet import build_unet

SETTINGS = NetworkSettings(n_labels=32, features=2, n_levels=2)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return build_unet(SETTINGS)


@pytest.fixture
def bundle(model: keras.Model) -> Bundle:
    return Bundle(
        network=SETTINGS, labels=SYNTHSEG_V1, weights=weights_of(model), info={"name": "small"}
    )


def test_what_is_saved_comes_back(tmp_path: Path, bundle: Bundle) -> None:
    save_bundle(tmp_path / "model.npz", bundle)
    back = load_bundle(tmp_path / "model.npz")
    assert (back.network, back.labels, back.info) == (bundle.network, bundle.labels, bundle.info)
    assert back.weights.keys() == bundle.weights.keys()
    for name, value in bundle.weights.items():
        np.testing.assert_array_equal(back.weights[name], value)


def test_half_precision_comes_back_as_float32_within_its_error(
    tmp_path: Path, bundle: Bundle
) -> None:
    save_bundle(tmp_path / "model.npz", bundle, np.float16)
    back = load_bundle(tmp_path / "model.npz")
    for name, value in bundle.weights.items():
        assert back.weights[name].dtype == np.float32
        np.testing.assert_allclose(back.weights[name], value, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [(70_000, "holds values too large for float16"), (np.nan, "holds values that are not finite")],
)
def test_values_that_half_precision_cannot_hold_are_refused_by_name(
    tmp_path: Path, bundle: Bundle, value: float, complaint: str
) -> None:
    weights = {**bundle.weights, "unet_likelihood/bias": np.full(32, value, np.float32)}
    with pytest.raises(CheckpointError, match=rf"m\.npz: unet_likelihood/bias {complaint}"):
        save_bundle(tmp_path / "m.npz", replace(bundle, weights=weights), np.float16)
    assert list(tmp_path.iterdir()) == []


def test_weights_fit_a_network_of_the_same_settings(model: keras.Model, bundle: Bundle) -> None:
    other = build_unet(SETTINGS)
    assign_weights(other, bundle.weights)
    image = np.random.default_rng(0).random((1, 8, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(other(image), model(image))


def test_missing_and_misshapen_weights_are_refused_by_name(
    model: keras.Model, bundle: Bundle
) -> None:
    weights = dict(bundle.weights)
    del weights["unet_bn_down_0/gamma"]
    weights["unet_likelihood/bias"] = np.zeros(7)
    with pytest.raises(
        CheckpointError, match=r"unet_bn_down_0/gamma is missing.*unet_likelihood/bias"
    ):
        assign_weights(model, weights)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.npz: no such file"):
        load_bundle(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 broken"])
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.npz is not a model bundle"):
        load_bundle(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS.*git lfs pull"),
        (b"/annex/objects/MD5E-s1--0.npz\n", "git-annex.*datalad get"),
    ],
)
def test_a_pointer_to_weights_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        load_bundle(tmp_path / "weights.npz")


def test_a_link_into_an_annex_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "weights.npz").symlink_to(".git/annex/objects/x/MD5E-s1--0.npz")
    with pytest.raises(CheckpointError, match=r"git-annex.*datalad get"):
        load_bundle(tmp_path / "weights.npz")


def test_interrupted_writing_leaves_the_old_file(tmp_path: Path, bundle: Bundle) -> None:
    path = tmp_path / "model.npz"
    save_bundle(path, bundle)
    before = path.read_bytes()
    unwritable = Bundle(network=SETTINGS, labels=SYNTHSEG_V1, weights={}, info={"bad": object()})
    with pytest.raises(TypeError):
        save_bundle(path, unwritable)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]

"""Weights from Keras on any backend come in as a bundle, and go out again."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from synthseg_common.arrays import FloatArray
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_trainer.aliases import Weights
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError, ConfigError
from synthseg_trainer.network.bundle import Bundle, assign_weights, weights_of
from synthseg_trainer.network.exchange import write_keras_weights
from synthseg_trainer.network.unet import build_unet
from synthseg_trainer.runs.networks import load_network

# Written by `keras_network.py` on Keras' JAX backend: a network, its input and its logits.
RECORDED = Path(__file__).parent / "data"
NETWORK = NetworkSettings(n_labels=33, features=2, n_levels=2, stem=2)


def _bundle(network: NetworkSettings) -> Bundle:
    """A network whose every array is another, moving statistics too."""
    rng = np.random.default_rng(0)
    shapes = {name: value.shape for name, value in weights_of(build_unet(network)).items()}
    weights = {name: rng.uniform(0.1, 1, s).astype(np.float32) for name, s in shapes.items()}
    return Bundle(network=network, labels=SYNTHSEG_V2, weights=weights, info={"name": "small"})


def _assert_same_weights(found: Weights, expected: Weights) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return _bundle(NETWORK)


@pytest.fixture
def exported(tmp_path: Path, bundle: Bundle) -> Path:
    """`small.weights.h5` and `small.json`."""
    write_keras_weights(tmp_path / "small.weights.h5", bundle)
    return tmp_path / "small.weights.h5"


def test_what_goes_out_comes_back(exported: Path, bundle: Bundle) -> None:
    back = load_network(exported)
    assert (back.network, back.labels, back.info) == (bundle.network, bundle.labels, bundle.info)
    _assert_same_weights(back.weights, bundle.weights)
    assert sorted(p.name for p in exported.parent.iterdir()) == ["small.json", "small.weights.h5"]


def test_what_goes_out_is_what_keras_loads(exported: Path, bundle: Bundle) -> None:
    model = build_unet(NETWORK)
    model.load_weights(exported)
    _assert_same_weights(weights_of(model), bundle.weights)


def test_a_file_outlives_the_names_that_our_classes_had(tmp_path: Path) -> None:
    """Keras names groups by Python classes; ours of instance normalisation was Keras' own once."""
    path = tmp_path / "old.weights.h5"
    written = _bundle(replace(NETWORK, normalization="instance"))
    write_keras_weights(path, written)
    renamed = 0
    with h5py.File(path, "r+") as file:
        for name in list(file["layers"]):
            if name.startswith("instance_normalization"):
                file["layers"].move(name, name.replace("instance", "group"))
                renamed += 1
    assert renamed == 3
    _assert_same_weights(load_network(path).weights, written.weights)


def test_weights_kept_in_half_the_width_come_in(tmp_path: Path, exported: Path) -> None:
    keras.config.set_dtype_policy("bfloat16")
    try:
        model = build_unet(NETWORK)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save_weights(tmp_path / "half.weights.h5")
    exported.with_name("small.json").rename(tmp_path / "half.json")
    _assert_same_weights(load_network(tmp_path / "half.weights.h5").weights, weights_of(model))


def test_weights_that_jax_wrote_give_the_logits_that_jax_computed() -> None:
    packed = load_network(RECORDED / "jax.weights.h5")
    recorded = np.load(RECORDED / "jax_logits.npz")
    model = build_unet(packed.network)
    assign_weights(model, packed.weights)
    logits = np.asarray(model(recorded["image"], training=False))
    assert np.ptp(recorded["logits"]) > 0.5
    np.testing.assert_allclose(logits, recorded["logits"], atol=1e-4)


def _python_with(backend: str) -> str | None:
    """A Python that has Keras and the backend, but need not have TensorFlow; `None` if none has."""
    named = os.environ.get(f"SYNTHSEG_{backend.upper()}_PYTHON")
    return named or (sys.executable if importlib.util.find_spec(backend) else None)


def _run_elsewhere(backend: str, *arguments: Path) -> None:
    python = _python_with(backend)
    if python is None:
        pytest.skip(f"{backend} is not installed; SYNTHSEG_{backend.upper()}_PYTHON may name one")
    packages = Path(__file__).resolve().parents[3]
    paths = [str(packages / part) for part in ("common", "generator", "trainer")]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [python, Path(__file__).with_name("keras_network.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def _logits(path: Path, image: FloatArray) -> FloatArray:
    loaded = load_network(path)
    model = build_unet(loaded.network)
    assign_weights(model, loaded.weights)
    return np.asarray(model(image, training=False))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_network_trained_on_another_backend_answers_the_same_here(
    tmp_path: Path, backend: str
) -> None:
    _run_elsewhere(backend, tmp_path)
    recorded = np.load(tmp_path / f"{backend}_logits.npz")
    logits = _logits(tmp_path / f"{backend}.weights.h5", recorded["image"])
    np.testing.assert_allclose(logits, recorded["logits"], atol=1e-4 * float(np.ptp(logits)))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_reads_what_goes_out(tmp_path: Path, exported: Path, backend: str) -> None:
    _run_elsewhere(backend, tmp_path, exported)
    recorded = np.load(tmp_path / f"{backend}_logits.npz")
    logits = _logits(exported, recorded["image"])
    np.testing.assert_allclose(logits, recorded["logits"], atol=1e-4 * float(np.ptp(logits)))


def test_weights_of_another_network_are_refused(exported: Path) -> None:
    beside = exported.with_name("small.json")
    content = json.loads(beside.read_text())
    for change, complaint in (
        ({"n_levels": 3}, "unet_conv_downarm_2_0/kernel is missing"),
        ({"features": 4}, r"downarm_0_0/kernel has shape \(3, 3, 3, 8, 2\), expected"),
        ({"normalization": "instance"}, "unet_bn_down_0/2 is not in the network"),
    ):
        beside.write_text(json.dumps({**content, "network": {**content["network"], **change}}))
        with pytest.raises(CheckpointError, match=complaint) as caught:
            load_network(exported)
        assert str(exported) in str(caught.value)
        assert "settings describe another network" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_that_holds_no_weights_is_named(tmp_path: Path, exported: Path) -> None:
    other = exported.with_name("other.weights.h5")
    exported.with_name("small.json").rename(exported.with_name("other.json"))
    with pytest.raises(CheckpointError, match=r"other\.weights\.h5: no such file"):
        load_network(other)
    other.write_bytes(b"text")
    with pytest.raises(CheckpointError, match="holds no weights as Keras 3 writes them"):
        load_network(other)
    for place in ("unet/kernel", "layers/conv3d/vars/0"):  # of another kind, without layer names
        with h5py.File(other, "w") as file:
            file[place] = np.ones(3)
        with pytest.raises(CheckpointError, match="holds no weights as Keras 3 writes them"):
            load_network(other)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"a\.weights\.h5 cannot be written: "):
        write_keras_weights(tmp_path / "file" / "a.weights.h5", bundle)
    folder = tmp_path / "b.weights.h5"
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"b\.weights\.h5 cannot be written: "):
        write_keras_weights(folder, bundle)
    assert not list(tmp_path.glob(".writing-*"))


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_settings_beside_weights_may_be_yaml(exported: Path, bundle: Bundle, suffix: str) -> None:
    exported.with_name("small.json").unlink()
    text = "network: {features: 2, n_levels: 2, stem: 2}\nlabels: v2"
    exported.with_name(f"small{suffix}").write_text(text)
    assert load_network(exported).network == bundle.network


def test_json_beside_weights_goes_before_yaml(exported: Path, bundle: Bundle) -> None:
    exported.with_name("small.yaml").write_text("network: {}\nlabels: v1")
    assert load_network(exported).labels == bundle.labels


def test_weights_without_settings_name_what_was_looked_for(exported: Path) -> None:
    exported.with_name("small.json").unlink()
    with pytest.raises(
        ConfigError, match=r"expected small\.json, small\.yaml or small\.yml beside"
    ):
        load_network(exported)

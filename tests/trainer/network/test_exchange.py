"""Weights from Keras on any backend come in as a bundle, and go out again."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from synthseg_generator.errors import LabelError
from synthseg_generator.labels import SYNTHSEG_V2
from synthseg_trainer.cli import main
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError, ConfigError
from synthseg_trainer.network.bundle import (
    Bundle,
    assign_weights,
    load_bundle,
    save_bundle,
    weights_of,
)
from synthseg_trainer.network.exchange import load_network, read_description, write_keras_weights
from synthseg_trainer.network.unet import build_unet

# Written by `keras_network.py` on Keras' JAX backend: a network, its input and its logits.
RECORDED = Path(__file__).parent / "data"
NETWORK = NetworkSettings(n_labels=33, features=2, n_levels=2, stem=2)


def run(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def bundle():
    """A network whose every array is another, moving statistics too."""
    rng = np.random.default_rng(0)
    shapes = {name: value.shape for name, value in weights_of(build_unet(NETWORK)).items()}
    weights = {name: rng.uniform(0.1, 1, s).astype(np.float32) for name, s in shapes.items()}
    return Bundle(network=NETWORK, labels=SYNTHSEG_V2, weights=weights, info={"name": "small"})


@pytest.fixture
def exported(tmp_path, bundle):
    """`small.weights.h5` and `small.json`."""
    write_keras_weights(tmp_path / "small.weights.h5", bundle)
    return tmp_path / "small.weights.h5"


def test_what_goes_out_comes_back(exported, bundle):
    back = load_network(exported)
    assert (back.network, back.labels, back.info) == (bundle.network, bundle.labels, bundle.info)
    assert back.weights.keys() == bundle.weights.keys()
    for name, value in bundle.weights.items():
        np.testing.assert_array_equal(back.weights[name], value, err_msg=name)
    assert sorted(p.name for p in exported.parent.iterdir()) == ["small.json", "small.weights.h5"]


def test_what_goes_out_is_what_keras_loads(exported, bundle):
    model = build_unet(NETWORK)
    model.load_weights(exported)
    for name, value in weights_of(model).items():
        np.testing.assert_array_equal(value, bundle.weights[name])


def test_weights_that_jax_wrote_give_the_logits_that_jax_computed():
    packed = load_network(RECORDED / "jax.weights.h5")
    recorded = np.load(RECORDED / "jax_logits.npz")
    model = build_unet(packed.network)
    assign_weights(model, packed.weights)
    logits = np.asarray(model(recorded["image"], training=False))
    assert np.ptp(recorded["logits"]) > 0.5
    np.testing.assert_allclose(logits, recorded["logits"], atol=1e-4)


def _python_with(backend):
    """A Python that has Keras and the backend, but need not have TensorFlow; `None` if none has."""
    named = os.environ.get(f"SYNTHSEG_{backend.upper()}_PYTHON")
    return named or (sys.executable if importlib.util.find_spec(backend) else None)


def _run_elsewhere(backend, *arguments):
    python = _python_with(backend)
    if python is None:
        pytest.skip(f"{backend} is not installed; SYNTHSEG_{backend.upper()}_PYTHON may name one")
    packages = Path(__file__).resolve().parents[3]
    paths = [str(packages / part) for part in ("client", "generator", "trainer")]
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


def _logits(path, image):
    loaded = load_network(path)
    model = build_unet(loaded.network)
    assign_weights(model, loaded.weights)
    return np.asarray(model(image, training=False))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_network_trained_on_another_backend_answers_the_same_here(tmp_path, backend):
    _run_elsewhere(backend, tmp_path)
    recorded = np.load(tmp_path / f"{backend}_logits.npz")
    logits = _logits(tmp_path / f"{backend}.weights.h5", recorded["image"])
    np.testing.assert_allclose(logits, recorded["logits"], atol=1e-4 * np.ptp(logits))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_reads_what_goes_out(tmp_path, exported, backend):
    _run_elsewhere(backend, tmp_path, exported)
    recorded = np.load(tmp_path / f"{backend}_logits.npz")
    logits = _logits(exported, recorded["image"])
    np.testing.assert_allclose(logits, recorded["logits"], atol=1e-4 * np.ptp(logits))


def test_commands_lead_in_and_out(tmp_path, bundle):
    save_bundle(tmp_path / "a.npz", bundle)
    code, output = run("pack", tmp_path / "a.npz", tmp_path / "b.weights.h5", "--name", "mine")
    assert code == 0, output
    code, output = run("pack", tmp_path / "b.weights.h5", tmp_path / "c.npz", "--name", "mine")
    assert code == 0, output
    back = load_bundle(tmp_path / "c.npz")
    assert back.info == {"name": "mine"}
    assert (back.network, back.labels) == (bundle.network, bundle.labels)
    code, output = run("pack", tmp_path / "a.npz", tmp_path / "d.weights.h5", "--half")
    assert (code, "--half is for OUTPUT.npz" in output) == (2, True)


def test_settings_may_name_a_label_table(tmp_path):
    (tmp_path / "lungs.yaml").write_text(
        "{values: [0, 1, 2], n_neutral: 1, names: {1: left lung}, anatomy: chest}"
    )
    path = tmp_path / "model.yaml"
    path.write_text("network: {features: 2, n_levels: 2}\nlabels: lungs.yaml\ninfo: {name: mine}")
    described = read_description(path)
    assert described.network == NetworkSettings(n_labels=3, features=2, n_levels=2)
    assert described.labels.names == ("background", "left lung", "label 2")
    assert described.info == {"anatomy": "chest", "name": "mine"}
    path.write_text("network: {}\nlabels: v2")
    assert read_description(path).labels == SYNTHSEG_V2


def test_settings_of_a_training_describe_its_weights(run_config):
    described = read_description(run_config)
    assert described.labels == SYNTHSEG_V2
    assert described.network.features == 4
    assert described.info["voxel_size_mm"] == 1.0
    assert described.info["anatomy"] == "brain"
    assert described.info["mirrored"] is True
    assert [s["name"] for s in described.info["training"]["settings"]["stages"]] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    ("content", "complaint", "error"),
    [
        (None, "No such file", ConfigError),
        ("[1]", "holds no settings", ConfigError),
        ("network: {}", r"missing keys \['labels'\]", ConfigError),
        ("{network: {width: 3}, labels: v2}", "unknown setting.*width", ConfigError),
        ("{network: {n_labels: 4}, labels: v2}", "n_labels is 4, the label table", ConfigError),
        ("{network: {}, labels: v9}", "no label table v9", LabelError),
    ],
)
def test_settings_that_describe_no_network_are_refused(tmp_path, content, complaint, error):
    path = tmp_path / "model.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=complaint) as caught:
        read_description(path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(exported):
    beside = exported.with_name("small.json")
    content = json.loads(beside.read_text())
    for change, complaint in (
        ({"n_levels": 3}, "holds 26 arrays, the network of its settings has 42"),
        ({"features": 4}, "does not fit the network of its settings"),
        ({"normalization": "instance"}, "holds 26 arrays"),
    ):
        beside.write_text(json.dumps({**content, "network": {**content["network"], **change}}))
        with pytest.raises(CheckpointError, match=complaint) as caught:
            load_network(exported)
        assert str(exported) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_that_holds_no_weights_is_named(tmp_path, exported):
    other = exported.with_name("other.weights.h5")
    exported.with_name("small.json").rename(exported.with_name("other.json"))
    with pytest.raises(CheckpointError, match=r"other\.weights\.h5: no such file"):
        load_network(other)
    other.write_bytes(b"text")
    with pytest.raises(CheckpointError, match="holds no weights as Keras 3 writes them"):
        load_network(other)
    with h5py.File(other, "w") as file:
        file["unet/kernel"] = np.ones(3)
    with pytest.raises(CheckpointError, match="holds no weights as Keras 3 writes them"):
        load_network(other)


def test_settings_beside_what_carries_its_own_are_refused(tmp_path, small_bundle):
    with pytest.raises(ConfigError, match="carries its settings"):
        load_network(small_bundle, tmp_path / "model.json")

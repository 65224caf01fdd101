"""A path stands for a network; weights from Keras need a file that describes them."""

import json
from pathlib import Path

import numpy as np
import pytest
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_generator.errors import LabelError
from synthseg_generator.store.label_store import open_store
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError, ConfigError
from synthseg_trainer.runs.networks import load_network, read_description


def test_settings_may_name_a_label_table(tmp_path: Path) -> None:
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


def test_a_date_in_the_settings_is_its_text(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("{network: {}, labels: v2, info: {trained: 2026-01-05}}")
    info = read_description(path).info
    assert json.loads(json.dumps(info))["trained"] == "2026-01-05"


def test_settings_of_a_training_describe_its_weights(run_config: Path) -> None:
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


def test_labels_that_a_training_asked_for_are_those_of_its_weights(
    run_config: Path, tmp_path: Path, head_store: Path
) -> None:
    targets = [value and value + 1000 for value in open_store(head_store).labels.targets]
    text = f"  labels: {{targets: {targets}}}\n  elastic:"
    path = tmp_path / "run.yaml"
    path.write_text(run_config.read_text().replace("  elastic:", text))
    labels = read_description(path).labels
    assert labels.values == tuple(value and value + 1000 for value in SYNTHSEG_V2.values)
    assert labels.names[1] == "label 1002"


@pytest.mark.parametrize(
    ("content", "complaint", "error"),
    [
        (None, "No such file", ConfigError),
        ("[1]", "holds no settings", ConfigError),
        ("network: {}", r"missing keys \['labels'\]", ConfigError),
        ("{network: {width: 3}, labels: v2}", "unknown setting.*width", ConfigError),
        ("{network: {n_labels: 4}, labels: v2}", "n_labels is 4, the label table", ConfigError),
        ("{network: v1, labels: v2}", "network must be a group of settings, got 'v1'", ConfigError),
        ("network:\nlabels: v2", "network must be a group of settings, got None", ConfigError),
        ("{network: {}, labels: v2, info: text}", "info must be a group", ConfigError),
        ("{network: {}, labels: v9}", "no label table v9", LabelError),
    ],
)
def test_settings_that_describe_no_network_are_refused(
    tmp_path: Path, content: str | None, complaint: str, error: type[Exception]
) -> None:
    path = tmp_path / "model.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=complaint) as caught:
        read_description(path)
    assert "\n" not in str(caught.value)


def test_settings_beside_what_carries_its_own_are_refused(
    tmp_path: Path, small_bundle: Path
) -> None:
    with pytest.raises(ConfigError, match="carries its settings"):
        load_network(small_bundle, tmp_path / "model.json")


def test_a_single_array_is_no_network(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(CheckpointError, match=r"array\.npy is not a model bundle .* single array"):
        load_network(tmp_path / "array.npy")

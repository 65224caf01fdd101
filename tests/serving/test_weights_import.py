"""Weights of the original, in both layouts of its `.h5` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2, SegmentationLabels
from synthseg_serving import weights_import
from synthseg_serving.cli import main
from synthseg_serving.errors import WeightsError
from synthseg_serving.variables import variable_shapes
from synthseg_serving.weights_import import git_blob_id, read_released
from synthseg_trainer.aliases import Weights
from synthseg_trainer.config import NetworkSettings

SMALL: dict[str, Any] = {"features": 2, "n_levels": 3}


@pytest.fixture(autouse=True)
def small_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original's layers with few features: small files; not where the real file is read."""
    if "shared_data" not in request.fixturenames:
        monkeypatch.setattr(
            weights_import,
            "NetworkSettings",
            lambda n_labels: NetworkSettings(n_labels=n_labels, **SMALL),
        )


def write_weights(path: Path, n_labels: int, whole_model: bool = False) -> Weights:
    rng = np.random.default_rng(0)
    shapes = variable_shapes(NetworkSettings(n_labels=n_labels, **SMALL))
    weights = {name: rng.uniform(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        root.create_group("unet_input")
        for name, value in weights.items():
            layer, variable = name.split("/")
            root[f"{layer}/{layer}/{variable}:0"] = value
        if whole_model:
            file.attrs["keras_version"] = "2.3.1"
            file["optimizer_weights/training/Adam/unet_likelihood/kernel/m:0"] = np.zeros(3)
            root["means_input/x:0"] = np.zeros(2)
    return weights


@pytest.mark.parametrize("whole_model", [False, True])
@pytest.mark.parametrize(("labels", "table"), [("v1", SYNTHSEG_V1), ("v2", SYNTHSEG_V2)])
def test_both_layouts_and_both_tables(
    tmp_path: Path, whole_model: bool, labels: str, table: SegmentationLabels
) -> None:
    weights = write_weights(tmp_path / "w.h5", len(table), whole_model)
    bundle = read_released(tmp_path / "w.h5", labels)
    assert bundle.labels == table
    assert set(bundle.weights) == set(weights)
    for name, value in weights.items():
        np.testing.assert_array_equal(bundle.weights[name], value)
    assert bundle.info["training"]["released"] == "not recognised"


def test_missing_layer_is_named(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", 32)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        del file["unet_conv_uparm_3_1"]
    with pytest.raises(WeightsError, match=r"w\.h5.*unet_conv_uparm_3_1/kernel is missing"):
        read_released(tmp_path / "w.h5", "v1")


def test_misshapen_layer_is_named(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", 32)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        del file["unet_bn_up_0/unet_bn_up_0/beta:0"]
        file["unet_bn_up_0/unet_bn_up_0/beta:0"] = np.zeros(3)
    with pytest.raises(WeightsError, match=r"unet_bn_up_0/beta has shape \(3,\), expected \(4,\)"):
        read_released(tmp_path / "w.h5", "v1")


def test_other_version_is_pointed_out(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", 33)
    with pytest.raises(WeightsError, match="answers 33 labels, v1 has 32; use --labels v2"):
        read_released(tmp_path / "w.h5", "v1")


def test_blob_id_is_gits(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"what is up, doc?")
    # The example of Git's own book.
    assert git_blob_id(path) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_released_file_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_weights(tmp_path / "w.h5", 32)
    monkeypatch.setattr(weights_import, "RELEASED_V1_BLOB", git_blob_id(tmp_path / "w.h5"))
    info = read_released(tmp_path / "w.h5", "v1").info
    assert info["training"]["released"] == "SynthSeg 1.0"
    assert info["licence"] == "Apache-2.0"


def test_released_blob_id_is_the_repositorys() -> None:
    assert weights_import.RELEASED_V1_BLOB == "a28f57090fab43709a9024fc747e5c3725326454"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"text", "is no HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"<!doctype html><html>404</html>", "web page"),
        (b"\x89HDF\r\n\x1a\n" * 9, "is no HDF5 file"),
    ],
)
def test_bad_file_is_one_line_and_code_2(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "w.h5"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(
        main, ["import-weights", str(path), str(tmp_path / "m"), "--labels", "v1"]
    )
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_command_writes_a_version(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", 32)
    arguments = ["import-weights", str(tmp_path / "w.h5"), str(tmp_path / "m"), "--labels", "v1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "m" / "1" / "saved_model.pb").is_file()


def test_recorded_file_holds_the_full_network(shared_data: Path) -> None:
    bundle = read_released(shared_data / "reference" / "models" / "random_v1_weights.h5", "v1")
    assert sum(value.size for value in bundle.weights.values()) == 13_242_824

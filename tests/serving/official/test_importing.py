"""Which files of a folder are imported, all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from google.protobuf import text_format
from official_files import write_official
from synthseg_common.errors import exit_code_of
from synthseg_common.official_weights import FILES
from synthseg_serving.errors import WeightsError
from synthseg_serving.official.importing import find_weights
from synthseg_serving.official.networks import NETWORKS, PARCELLATION, QUALITY, V2
from tensorflow_serving.config import model_server_config_pb2

Main = Callable[..., tuple[int, str]]


def write_foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["dense/dense/kernel:0"] = np.zeros((3, 3))


def test_networks_are_found_under_any_name_and_others_are_left_alone(tmp_path: Path) -> None:
    for number, network in enumerate(NETWORKS):
        write_official(tmp_path / f"{number}.h5", network)
    write_foreign(tmp_path / "samseg.h5")
    (tmp_path / "broken.h5").write_bytes(b"of somebody else")
    (tmp_path / "synthseg_photo_both_1.0.h5").write_bytes(b"")
    (tmp_path / "synthseg_segmentation_labels_2.0.npy").touch()
    files, left = find_weights(tmp_path)
    assert [file.network for file in files] == list(NETWORKS)
    assert left == ["broken.h5", "samseg.h5", "synthseg_photo_both_1.0.h5"]


def truncate(folder: Path) -> None:
    path = write_official(folder / QUALITY.file, QUALITY, lambda _, shape: np.zeros(shape, "f4"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def leave_out_a_layer(folder: Path) -> None:
    write_official(folder / QUALITY.file, QUALITY, without=["qc_bn_down_2"])


def misshape_a_layer(folder: Path) -> None:
    path = write_official(folder / QUALITY.file, QUALITY)
    with h5py.File(path, "a") as file:
        del file["qc_final_conv_1/qc_final_conv_1/bias:0"]
        file["qc_final_conv_1/qc_final_conv_1/bias:0"] = np.zeros(4, np.float32)


def repeat_a_network(folder: Path) -> None:
    write_official(folder / QUALITY.file, QUALITY)
    write_official(folder / "again.h5", QUALITY, whole_model=True)


def swap_a_network(folder: Path) -> None:
    write_foreign(folder / QUALITY.file)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncate, r"synthseg_qc_2.0.h5 is no HDF5 file"),
    "a layer is missing": (leave_out_a_layer, "qc_bn_down_2/gamma is missing"),
    "a wrong shape": (misshape_a_layer, "qc_final_conv_1/bias has shape (4,), expected (9,)"),
    "twice": (repeat_a_network, "both hold SynthSeg 2.0's quality scores: leave one of them"),
    "another program's": (swap_a_network, "synthseg_qc_2.0.h5 holds none of the original's"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_fit_is_refused_by_name_with_nothing_written(
    tmp_path: Path, run_main: Main, name: str
) -> None:
    spoil, message = BROKEN[name]
    folder, models = tmp_path / "weights", tmp_path / "models"
    folder.mkdir()
    write_official(folder / V2.file, V2)
    spoil(folder)
    code, output = run_main("import-weights", folder, models)
    assert code == 2, output
    assert message in output
    assert output.count("\n") == 1
    assert not models.exists()


def test_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds none of synthseg_2") as caught:
        find_weights(tmp_path)
    assert exit_code_of(caught.value) == 2
    with pytest.raises(WeightsError, match="cannot be read"):
        find_weights(tmp_path / "none")


def test_sets_are_listed_for_tf_serving_beside_what_was_listed(
    tmp_path: Path, run_main: Main
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "models.config").write_text(
        'model_config_list { config { name: "mine" base_path: "/elsewhere" '
        'model_platform: "tensorflow" } }'
    )
    write_official(tmp_path / "w.h5", PARCELLATION)
    code, output = run_main("import-weights", tmp_path, models)
    assert code == 0, output
    assert output == f"{models}/synthseg_parcels/1\n"
    assert run_main("import-weights", tmp_path, models)[1] == f"{models}/synthseg_parcels/2\n"
    text = (models / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    assert [(c.name, c.base_path, c.model_platform) for c in config.model_config_list.config] == [
        ("mine", "/elsewhere", "tensorflow"),
        ("synthseg_parcels", f"{models}/synthseg_parcels", "tensorflow"),
    ]
    assert sorted(path.name for path in models.iterdir()) == ["models.config", "synthseg_parcels"]


def test_what_was_listed_keeps_its_policy_and_place_and_the_latter_is_told(
    tmp_path: Path, run_main: Main, caplog: pytest.LogCaptureFixture
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    text = """model_config_list { config {
      name: "synthseg_parcels" base_path: "/elsewhere" model_platform: "tensorflow"
      model_version_policy { specific { versions: 1 } }
      version_labels { key: "stable" value: 1 } } }"""
    (models / "models.config").write_text(text)
    write_official(tmp_path / "w.h5", PARCELLATION)
    assert run_main("import-weights", tmp_path, models)[0] == 0
    config = text_format.Parse(
        (models / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    assert config == text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    assert "goes on listing synthseg_parcels at /elsewhere" in caplog.text


def test_names_of_files_and_served_models_go_together() -> None:
    assert {network.served_name: network.file for network in NETWORKS} == FILES

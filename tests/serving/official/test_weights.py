"""Recognition of the released networks, in both layouts of their `.h5` files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from official_files import Random, add_variable, half, write_official
from synthseg_serving.errors import WeightsError
from synthseg_serving.official import weights
from synthseg_serving.official.networks import (
    NETWORKS,
    QUALITY,
    ROBUST,
    V1,
    V2,
    OfficialNetwork,
    recognise,
)
from synthseg_serving.official.weights import git_blob_id, inspect_weights, shapes_in

PARAMETERS = {
    "1.0": 13_242_824,
    "2.0": 13_242_849,
    "robust": 53_574_739,
    "parcels": 13_245_045,
    "quality": 12_450_663,
}
"""As the original's own graphs have them."""
BY_KEY = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.key)


@BY_KEY
def test_network_has_the_originals_size(network: OfficialNetwork) -> None:
    assert sum(np.prod(s) for s in network.shapes.values()) == PARAMETERS[network.key]


@pytest.mark.parametrize("whole_model", [False, True], ids=["weights only", "whole model"])
@BY_KEY
def test_network_is_recognised_in_both_layouts(
    tmp_path: Path, network: OfficialNetwork, whole_model: bool
) -> None:
    path = write_official(tmp_path / "any.h5", network, whole_model=whole_model)
    assert recognise(shapes_in(path)) is network


def test_values_are_the_files(tmp_path: Path) -> None:
    expected: dict[str, np.ndarray] = {}

    def value(name: str, shape: tuple[int, ...]) -> np.ndarray:
        return expected.setdefault(name, Random(len(expected))(name, shape))

    file = inspect_weights(write_official(tmp_path / "w.h5", V1, value))
    found = file.read()
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    assert file.network is V1
    assert not file.released
    assert file.info()["training"] == {
        "source": "w.h5",
        "sha256": file.sha256,
        "released": "not recognised",
    }


@pytest.mark.parametrize(
    ("network", "layer"),
    [(V1, "unet_conv_uparm_8_1"), (ROBUST, "l2l_bn_up_3"), (QUALITY, "qc_final_conv_1")],
    ids=lambda value: getattr(value, "key", value),
)
def test_missing_layer_is_named(tmp_path: Path, network: OfficialNetwork, layer: str) -> None:
    path = write_official(tmp_path / "w.h5", network, without=[layer])
    with pytest.raises(WeightsError, match=rf"w\.h5.*{layer}/[a-z]+ is missing"):
        inspect_weights(path)


def test_misshapen_layer_is_named(tmp_path: Path) -> None:
    path = write_official(tmp_path / "w.h5", V1)
    with h5py.File(path, "a") as file:
        del file["unet_bn_up_0/unet_bn_up_0/beta:0"]
        add_variable(file, "unet_bn_up_0", "beta", 0.5, (3,))
    with pytest.raises(WeightsError, match=r"unet_bn_up_0/beta has shape \(3,\), expected \(192,"):
        inspect_weights(path)


def test_values_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    def value(name: str, shape: tuple[int, ...]) -> float:
        return float("nan") if name == "unet_likelihood/bias" else half(name, shape)

    path = write_official(tmp_path / "w.h5", V2, value)
    with pytest.raises(WeightsError, match="unet_likelihood/bias holds values that are not finite"):
        inspect_weights(path)


def test_segmenter_of_other_labels_is_told_from_the_released_ones(tmp_path: Path) -> None:
    path = write_official(tmp_path / "w.h5", V1)
    with h5py.File(path, "a") as file:
        del file["unet_likelihood"]
        add_variable(file, "unet_likelihood", "kernel", 0.5, (1, 1, 1, 24, 7))
        add_variable(file, "unet_likelihood", "bias", 0.5, (7,))
    with pytest.raises(WeightsError, match=r"answers 7 labels; released .* answer 32 or 33"):
        inspect_weights(path)


def test_file_of_another_program_is_none_of_them(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["dense/dense/kernel:0"] = np.zeros((3, 3))
    assert recognise(shapes_in(tmp_path / "w.h5")) is None
    with pytest.raises(WeightsError, match=r"none of the original's networks: .*synthseg_qc_2"):
        inspect_weights(tmp_path / "w.h5")


def test_blob_id_is_gits(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"what is up, doc?")
    # The example of Git's own book.
    assert git_blob_id(path) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_released_file_is_known_by_its_blob_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_official(tmp_path / "w.h5", V1)
    monkeypatch.setattr(weights, "RELEASED_V1_BLOB", git_blob_id(path))
    info = inspect_weights(path).info()
    assert info["licence"] == "Apache-2.0"
    assert info["training"] == {
        "source": "w.h5",
        "sha256": weights.inspect_weights(path).sha256,
        "released": "SynthSeg 1.0",
    }


def test_released_blob_id_is_the_repositorys() -> None:
    assert weights.RELEASED_V1_BLOB == "a28f57090fab43709a9024fc747e5c3725326454"


def test_recorded_file_is_synthseg_1(shared_data: Path) -> None:
    file = inspect_weights(shared_data / "reference" / "models" / "random_v1_weights.h5")
    assert file.network is V1
    assert sum(value.size for value in file.read().values()) == PARAMETERS["1.0"]


def test_a_file_that_claims_more_than_its_network_has_is_refused_before_it_is_read(
    tmp_path: Path,
) -> None:
    path = write_official(tmp_path / "w.h5", V2)
    with h5py.File(path, "r+") as file:
        name, shape = next((n, s) for n, s in V2.shapes.items() if n.endswith("kernel"))
        layer, variable = name.split("/")
        places: list[str] = []
        file[layer].visit(lambda p: places.append(p) if f"{variable}:0" in p else None)
        del file[layer][places[-1]]
        file[layer].create_dataset(
            places[-1], (2**14, *shape[1:]), np.float32, chunks=True, fillvalue=0.5
        )
    with pytest.raises(WeightsError, match=rf"{name} has shape \(16384, "):
        inspect_weights(path)

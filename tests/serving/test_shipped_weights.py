"""The weights that the package ships: whole, small, and described by their card."""

import hashlib
from pathlib import Path

import pytest
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_serving.shipped import SMALL_WEIGHTS, WEIGHTS
from synthseg_serving.variables import check_weights
from synthseg_trainer.network.bundle import Bundle, load_bundle

MOST_BYTES = {WEIGHTS: 12_000_000, SMALL_WEIGHTS: 8_000_000}


@pytest.fixture(scope="module", params=MOST_BYTES, ids=lambda path: path.stem)
def weights(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def shipped(weights: Path) -> Bundle:
    return load_bundle(weights)


def test_weights_are_small_enough_for_the_repository(weights: Path) -> None:
    assert weights.stat().st_size < MOST_BYTES[weights]


def test_weights_fit_their_network(shipped: Bundle) -> None:
    check_weights(shipped.weights, shipped.network, "shipped model")


def test_labels_are_those_of_the_second_release(shipped: Bundle) -> None:
    assert shipped.labels == SYNTHSEG_V2


def test_provenance_travels_with_the_weights(shipped: Bundle) -> None:
    assert shipped.info["licence"] == "Apache-2.0"
    assert shipped.info["training"]["step"] > 0


def test_card_names_the_checksum_of_the_weights(weights: Path) -> None:
    card = (weights.parent / "README.md").read_text()
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card

"""The weights that the package ships: whole, small, and described by their card."""

import hashlib

import pytest
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_serving.shipped import WEIGHTS
from synthseg_serving.variables import check_weights
from synthseg_trainer.network.bundle import Bundle, load_bundle

MOST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle(WEIGHTS)


def test_weights_are_small_enough_for_the_repository() -> None:
    assert WEIGHTS.stat().st_size < MOST_BYTES


def test_weights_fit_their_network(shipped: Bundle) -> None:
    check_weights(shipped.weights, shipped.network, "shipped model")


def test_labels_are_those_of_the_second_release(shipped: Bundle) -> None:
    assert shipped.labels == SYNTHSEG_V2


def test_provenance_travels_with_the_weights(shipped: Bundle) -> None:
    assert shipped.info["licence"] == "Apache-2.0"
    assert shipped.info["training"]["step"] > 0


def test_card_names_the_checksum_of_the_weights() -> None:
    card = (WEIGHTS.parent / "README.md").read_text()
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in card

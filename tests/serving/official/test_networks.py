"""The released networks, and how one is told from another by its layers alone."""

from __future__ import annotations

import pytest
from synthseg_serving.official.networks import NETWORKS, ROBUST, V1, V2, OfficialNetwork, recognise

BY_KEY = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.key)


@BY_KEY
def test_a_network_is_recognised_by_its_own_shapes(network: OfficialNetwork) -> None:
    assert recognise(network.shapes) is network


@BY_KEY
def test_one_that_lacks_a_layer_is_still_taken_for_what_it_is_nearest_to(
    network: OfficialNetwork,
) -> None:
    first = sorted(network.layers)[0]
    rest = {name: s for name, s in network.shapes.items() if name.split("/")[0] != first}
    assert recognise(rest) in ((V1, V2) if network in (V1, V2) else (network,))


def test_what_has_other_layers_is_none_of_them() -> None:
    assert recognise({"dense/kernel": (3, 3), "dense/bias": (3,)}) is None
    assert recognise({}) is None


def test_parts_of_the_chain_share_no_variable() -> None:
    names = [name for part in ROBUST.parts for name in part.shapes()]
    assert len(names) == len(set(names)) == len(ROBUST.shapes)


def test_networks_go_by_different_names() -> None:
    for names in ([n.key for n in NETWORKS], [n.file for n in NETWORKS]):
        assert len(names) == len(set(names))
    assert len({network.served_name for network in NETWORKS}) == len(NETWORKS)

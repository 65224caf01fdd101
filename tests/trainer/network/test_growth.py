"""A wider network that takes over a narrower one answers as that did, and then learns more."""

import dataclasses

import keras
import numpy as np
import pytest
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import assign_weights, weights_of
from synthseg_trainer.network.growth import can_grow, grown
from synthseg_trainer.network.unet import build_unet

NARROW = NetworkSettings(
    n_labels=5, features=4, max_features=8, n_levels=3, stem=2, normalization="instance"
)
IMAGE = np.random.default_rng(0).random((1, 16, 16, 24, 1)).astype(np.float32)


def taken_over(network: keras.Model, narrow: NetworkSettings, wide: NetworkSettings) -> keras.Model:
    wider = build_unet(wide)
    assign_weights(wider, grown(weights_of(network), narrow, weights_of(wider), wide))
    return wider


@pytest.mark.parametrize(
    "wider",
    [
        {},
        {"features": 6},
        {"max_features": None},
        {"detail_features": 7},
        {"features": 6, "max_features": 20, "detail_features": 3},
    ],
)
@pytest.mark.parametrize("kind", [{}, {"stem": 1, "normalization": "batch", "convs_per_level": 1}])
def test_a_wider_network_answers_as_the_one_it_took_over(
    kind: dict[str, object], wider: dict[str, object]
) -> None:
    narrow = dataclasses.replace(NARROW, **kind)  # type: ignore[arg-type]
    wide = dataclasses.replace(narrow, **wider)  # type: ignore[arg-type]
    network = build_unet(narrow)
    np.testing.assert_allclose(
        taken_over(network, narrow, wide)(IMAGE), network(IMAGE), rtol=1e-4, atol=1e-4
    )


def test_it_grows_again_from_where_it_has_got() -> None:
    once = dataclasses.replace(NARROW, features=5, detail_features=2)
    again = dataclasses.replace(once, features=8, max_features=32, detail_features=6)
    network = build_unet(once)
    np.testing.assert_allclose(
        taken_over(network, once, again)(IMAGE), network(IMAGE), rtol=1e-4, atol=1e-4
    )


def test_what_is_new_is_drawn_and_not_all_alike() -> None:
    wide = dataclasses.replace(NARROW, features=6)
    kernel = weights_of(taken_over(build_unet(NARROW), NARROW, wide))
    new = kernel["unet_conv_downarm_0_1/kernel"][..., 4:]
    assert len(np.unique(new)) == new.size


@pytest.mark.parametrize(
    "other",
    [
        {"features": 3},
        {"max_features": 6},
        {"stem": 1},
        {"n_levels": 4},
        {"normalization": "batch"},
    ],
)
def test_a_narrower_one_or_one_of_another_build_has_no_room(other: dict[str, object]) -> None:
    assert not can_grow(NARROW, dataclasses.replace(NARROW, **other))  # type: ignore[arg-type]


def test_details_are_not_given_up() -> None:
    detailed = dataclasses.replace(NARROW, detail_features=4)
    assert can_grow(NARROW, detailed)
    assert not can_grow(detailed, NARROW)

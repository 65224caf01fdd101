"""Which variables a network has, and what of them is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from synthseg_serving.errors import WeightsError
from synthseg_serving.unet import ServedUnet
from synthseg_serving.variables import check_weights, variable_shapes
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import Bundle


def test_missing_and_misshapen_weights_are_named(make_bundle: Callable[..., Bundle]) -> None:
    trained = make_bundle()
    weights = dict(trained.weights)
    del weights["unet_bn_down_0/gamma"]
    weights["unet_likelihood/bias"] = np.zeros(5, np.float32)
    with pytest.raises(
        WeightsError, match=r"unet_bn_down_0/gamma is missing.*bias has shape \(5,\)"
    ):
        ServedUnet(trained.network, weights, trained.labels.flip_channels)


def test_weights_that_are_not_finite_are_refused(make_bundle: Callable[..., Bundle]) -> None:
    trained = make_bundle()
    weights = dict(trained.weights)
    weights["unet_likelihood/bias"] = np.full_like(weights["unet_likelihood/bias"], np.nan)
    with pytest.raises(WeightsError, match="unet_likelihood/bias holds values that are not finite"):
        ServedUnet(trained.network, weights, trained.labels.flip_channels)


def test_negative_variances_are_refused(make_bundle: Callable[..., Bundle]) -> None:
    trained = make_bundle()
    weights = dict(trained.weights)
    weights["unet_bn_up_0/moving_variance"] = -weights["unet_bn_up_0/moving_variance"]
    with pytest.raises(WeightsError, match="unet_bn_up_0/moving_variance holds negative values"):
        ServedUnet(trained.network, weights, trained.labels.flip_channels)


@pytest.mark.parametrize("normalization", ["batch", "instance"])
def test_a_norm_of_each_scan_has_no_moving_statistics(
    normalization: Literal["batch", "instance"],
) -> None:
    shapes = variable_shapes(
        NetworkSettings(n_labels=3, features=2, n_levels=2, normalization=normalization)
    )
    assert ("unet_bn_up_0/moving_mean" in shapes) == (normalization == "batch")
    assert shapes["unet_bn_up_0/gamma"] == (2,)


def test_a_left_over_variable_is_named(make_bundle: Callable[..., Bundle]) -> None:
    trained = make_bundle()
    weights = {**trained.weights, "other/kernel": np.zeros(1, np.float32)}
    with pytest.raises(WeightsError, match=r"^w\.h5: .* other/kernel is not in the network"):
        check_weights(weights, trained.network, "w.h5")

"""Names of the network's layers, which are those of the original. Imports nothing heavy."""

from __future__ import annotations

from synthseg_trainer.config.network import NetworkSettings

LOGITS = "unet_likelihood"
"""Layer whose output is the logits."""

DETAIL = "unet_conv_detail"
"""The convolution that `NetworkSettings.detail_features` adds; the original has none."""

DETAIL_NORM = "unet_bn_detail"
"""Its normalisation."""


def down_convolutions(network: NetworkSettings, level: int) -> list[str]:
    """The convolutions of a level on the way down, first to last; 0 is the finest."""
    return [f"unet_conv_downarm_{level}_{i}" for i in range(network.convs_per_level)]


def up_convolutions(network: NetworkSettings, level: int) -> list[str]:
    """The convolutions of a level on the way up, first to last."""
    index = 2 * network.n_levels - 2 - level
    return [f"unet_conv_uparm_{index}_{i}" for i in range(network.convs_per_level)]


def down_norm(level: int) -> str:
    """The normalisation of a level on the way down."""
    return f"unet_bn_down_{level}"


def up_norm(network: NetworkSettings, level: int) -> str:
    """The normalisation of a level on the way up."""
    return f"unet_bn_up_{network.n_levels - 2 - level}"

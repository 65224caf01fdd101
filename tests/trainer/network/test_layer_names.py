"""Names of layers are those of the network that is built."""

from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import layer_names as names
from synthseg_trainer.network.unet import build_unet


def test_the_layers_with_weights_are_those_that_are_named() -> None:
    network = NetworkSettings(
        n_labels=3, features=2, n_levels=3, convs_per_level=1, detail_features=2
    )
    named = [names.DETAIL, names.DETAIL_NORM, names.LOGITS]
    for level in range(network.n_levels):
        named += [*names.down_convolutions(network, level), names.down_norm(level)]
    for level in range(network.n_levels - 1):
        named += [*names.up_convolutions(network, level), names.up_norm(network, level)]
    built = [layer.name for layer in build_unet(network).layers if layer.weights]
    assert sorted(named) == sorted(built)


def test_the_finest_level_is_the_last_on_the_way_up() -> None:
    network = NetworkSettings(n_labels=3, n_levels=5)
    assert names.up_convolutions(network, 0) == ["unet_conv_uparm_8_0", "unet_conv_uparm_8_1"]
    assert names.up_norm(network, 0) == "unet_bn_up_3"

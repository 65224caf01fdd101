import re
from pathlib import Path

import numpy as np
import pytest
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.unet import build_unet


@pytest.mark.parametrize(("n_labels", "parameters"), [(32, 13_242_824), (33, 13_242_849)])
def test_released_network_has_the_official_number_of_parameters(
    n_labels: int, parameters: int
) -> None:
    assert build_unet(NetworkSettings(n_labels=n_labels)).count_params() == parameters


def test_layers_carry_the_official_names(shared_data: Path) -> None:
    listing = (shared_data / "reference" / "models" / "v1_layers.txt").read_text().splitlines()
    official = [line.split()[0] for line in listing if " params=" in line]
    ours = [layer.name for layer in build_unet(NetworkSettings(n_labels=32)).layers]
    # The softmax is part of the losses and of the served graph here, not of the network; upsampling
    # and joining are part of the convolution that follows.
    apart = re.compile(r"unet_(prediction|up_\d+|merge_\d+)")
    assert sorted(ours) == sorted(name for name in official if not apart.fullmatch(name))
    assert len(official) - len(ours) == 1 + 4 + 4


@pytest.mark.parametrize("stem", [1, 2])
def test_answer_has_the_shape_of_the_image(stem: int) -> None:
    settings = NetworkSettings(n_labels=5, features=2, n_levels=3, stem=stem)
    size = settings.size_multiple
    answer = build_unet(settings)(np.zeros((1, size, 2 * size, size, 1), np.float32))
    assert tuple(answer.shape) == (1, size, 2 * size, size, 5)


def test_instance_normalization_does_not_mind_the_brightness_of_the_scan() -> None:
    settings = NetworkSettings(n_labels=3, features=4, n_levels=2, normalization="instance")
    model = build_unet(settings)
    features = model.get_layer("unet_bn_down_0")
    volume = np.random.default_rng(0).random((1, 8, 8, 8, 4), np.float32)
    np.testing.assert_allclose(features(volume * 50), features(volume), atol=5e-2)

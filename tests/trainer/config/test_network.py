from typing import Any

import pytest
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import ConfigError


def test_width_stops_growing_at_its_bound() -> None:
    settings = NetworkSettings(n_labels=2, features=24, max_features=128)
    assert [settings.features_at(level) for level in range(5)] == [24, 48, 96, 128, 128]


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_labels": 1},
        {"n_levels": 1},
        {"stem": 0},
        {"kernel_size": 2},
        {"kernel_size": -1},
        {"max_features": 0},
        {"activation": "foo"},
        {"normalization": "layer"},
    ],
)
def test_settings_that_make_no_network_are_refused_by_name(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError, match=rf"network\.{next(iter(wrong))}"):
        NetworkSettings(**{"n_labels": 3, **wrong})

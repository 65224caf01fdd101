from dataclasses import replace
from typing import Any

import pytest
from synthseg_generator.settings.generator import Crop, GeneratorSettings
from synthseg_trainer.config import (
    AdamSettings,
    LossWeights,
    NetworkSettings,
    Stage,
    TrainSettings,
    Validation,
)
from synthseg_trainer.errors import ConfigError

STAGE = Stage(name="s", steps=1, generator=GeneratorSettings(crop=Crop(shape=(32, 32, 32))))


def _run(**changes: Any) -> TrainSettings:
    network = NetworkSettings(n_labels=3, features=2, n_levels=2)
    values: dict[str, Any] = {"store": "x.zarr", "network": network, "stages": (STAGE,)}
    return TrainSettings(**{**values, **changes})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"stages": ()}, "at least one"),
        ({"seed": -1}, "seed must lie between 0 and 4294967295"),
        ({"seed": 2**32}, "seed must lie between 0 and 4294967295"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 3, "accumulate_steps": 2}, "batch_size 3 cannot be taken in 2 passes"),
        ({"accumulate_steps": 0}, "accumulate_steps must be at least 1"),
        ({"average_decay": 1.0}, "average_decay must lie between 0 and 1"),
        ({"keep_checkpoints": 0}, "keep_checkpoints must be at least 1, or null"),
        ({"keep_every_steps": 0}, "keep_every_steps must be at least 1, or null"),
        ({"scored_subvoxels": 2}, "scored_subvoxels must lie between 1 and 1"),
        (
            {"stages": (Stage(name="s", steps=1, weights=LossWeights(classes=(1, 2))),)},
            "2 weights.classes, but the network has 3 labels",
        ),
    ],
)
def test_a_run_that_cannot_start_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        _run(**wrong)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"beta_1": 1.0}, "adam.beta_1"),
        ({"beta_2": -0.1}, "adam.beta_2"),
        ({"epsilon": 0}, "adam.epsilon"),
        ({"weight_decay": -1}, "adam.weight_decay"),
        ({"clip_norm": 0}, "adam.clip_norm"),
    ],
)
def test_optimizers_out_of_range_are_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        AdamSettings(**wrong)


@pytest.mark.parametrize("name", ["every_steps", "samples"])
def test_validation_needs_counts_above_0(name: str) -> None:
    wrong: dict[str, Any] = {name: 0}
    with pytest.raises(ConfigError, match=name):
        Validation(**wrong)


def test_validation_needs_a_seed_that_is_not_negative() -> None:
    with pytest.raises(ConfigError, match=r"validation\.seed must be at least 0, got -1"):
        Validation(seed=-1)


def test_position_in_the_run_names_stage_and_step() -> None:
    settings = _run(stages=(replace(STAGE, steps=2), replace(STAGE, steps=3)))
    assert settings.total_steps == 5
    assert [settings.stage_at(step) for step in range(5)] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (1, 2),
    ]

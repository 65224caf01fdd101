import dataclasses
from typing import Any

import pytest
from synthseg_generator.settings.generator import Crop, GeneratorSettings
from synthseg_trainer.config import NetworkSettings, Stage, TrainSettings, Validation
from synthseg_trainer.runs.provenance import settings_as_json
from synthseg_trainer.runs.resume import resume_difference, settings_difference

GENERATOR = GeneratorSettings(crop=Crop(shape=(32, 32, 32)))
SETTINGS = TrainSettings(
    store="maps.zarr",
    network=NetworkSettings(n_labels=3, features=2, n_levels=2),
    stages=tuple(Stage(name=name, steps=10, generator=GENERATOR) for name in "abc"),
    validation=Validation(maps=("m",), generator=GENERATOR),
)
DONE = 15
"""Steps done: in the middle of the second stage."""


def _difference(done: int = DONE, **changes: Any) -> list[str]:
    return resume_difference(
        settings_as_json(SETTINGS), dataclasses.replace(SETTINGS, **changes), done
    )


def _with_steps(*steps: int) -> tuple[Stage, ...]:
    pairs = zip(SETTINGS.stages, steps, strict=False)
    return tuple(dataclasses.replace(stage, steps=count) for stage, count in pairs)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"store": "elsewhere.zarr"},
        {"initial_weights": "gone"},
        {"checkpoint_steps": 1, "keep_checkpoints": None, "keep_every_steps": 5, "log_steps": 1},
        {"validation": Validation(maps=("m",), every_steps=7, generator=GENERATOR)},
        {"stages": _with_steps(10, 99, 10)},
        {"stages": _with_steps(10, 5, 10)},
        {"stages": _with_steps(10, 10, 99)},
        {"stages": _with_steps(10, 10)},
        {"stages": (*SETTINGS.stages, Stage(name="d", steps=1, generator=GENERATOR))},
    ],
)
def test_what_does_not_change_what_was_learned_may_change(changes: dict[str, Any]) -> None:
    assert _difference(**changes) == []


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"seed": 7}, ["seed: 1 -> 7"]),
        ({"batch_size": 2}, ["batch_size: 1 -> 2"]),
        ({"precision": "mixed_bfloat16"}, ["precision: 'float32' -> 'mixed_bfloat16'"]),
        (
            {"validation": Validation(maps=("n",), generator=GENERATOR)},
            ["validation.maps[0]: 'm' -> 'n'"],
        ),
        ({"stages": _with_steps(11, 10, 10)}, ["stages[0].steps: 10 -> 11"]),
        (
            {"stages": _with_steps(10, 4, 10)},
            ["stages[1].steps: 10 -> 4, but 5 are done"],
        ),
        ({"stages": _with_steps(10)}, ["stages: 3 -> 1, at step 15"]),
        ({"stages": _with_steps(10, 4)}, ["steps: 15 are done, 14 are asked for"]),
    ],
)
def test_what_changes_what_was_learned_is_shown(changes: dict[str, Any], shown: list[str]) -> None:
    assert _difference(**changes) == shown


def test_a_finished_run_goes_on_with_more_steps() -> None:
    assert _difference(done=30, stages=_with_steps(10, 10, 11)) == []


def test_runs_of_versions_that_knew_fewer_settings_go_on_with_the_defaults_of_the_new_ones() -> (
    None
):
    old = settings_as_json(SETTINGS)
    del old["accumulate_steps"], old["adam"], old["initial_weights"], old["network"]["stem"]
    for stage in old["stages"]:
        del stage["weights"], stage["generator"]["affine"], stage["generator"]["crop"]["jitter"]
    assert resume_difference(old, SETTINGS, DONE) == []
    changed = dataclasses.replace(SETTINGS, batch_size=2, accumulate_steps=2)
    assert "accumulate_steps: 1 -> 2" in resume_difference(old, changed, DONE)


def test_settings_that_are_no_longer_known_are_shown() -> None:
    old = {**settings_as_json(SETTINGS), "dropped": 3}
    assert resume_difference(old, SETTINGS, DONE) == ["dropped: 3 -> None"]


def test_difference_names_what_changed_and_skips_what_is_free() -> None:
    old = {"seed": 1, "store": "a", "stages": [{"steps": 1, "loss": "dice"}]}
    new = {"seed": 2, "store": "b", "stages": [{"steps": 5, "loss": "wl2"}]}
    lines = settings_difference(old, new, free=("store", "stages[0].steps"))
    assert lines == ["seed: 1 -> 2", "stages[0].loss: 'dice' -> 'wl2'"]

"""What a network carries of its training."""

import dataclasses
import json
from pathlib import Path

from synthseg_trainer.config import load_settings
from synthseg_trainer.runs.provenance import settings_as_json, training_info


def test_settings_are_json_and_name_every_group(run_config: Path) -> None:
    settings = load_settings(run_config)
    values = settings_as_json(settings)
    assert json.loads(json.dumps(values)) == values
    assert set(values) == {field.name for field in dataclasses.fields(settings)}
    assert [stage["name"] for stage in values["stages"]] == ["first", "second"]


def test_a_network_carries_what_clients_must_know(run_config: Path) -> None:
    settings = load_settings(run_config)
    info = training_info(settings)
    assert info["training"]["settings"] == settings_as_json(settings)
    assert (info["anatomy"], info["voxel_size_mm"], info["mirrored"]) == ("brain", 1.0, True)


def test_a_network_that_never_saw_a_mirrored_head_says_so(run_config: Path) -> None:
    settings = load_settings(run_config)
    upright = tuple(
        dataclasses.replace(
            stage, generator=dataclasses.replace(stage.generator, flip_probability=0.0)
        )
        for stage in settings.stages
    )
    assert training_info(dataclasses.replace(settings, stages=upright))["mirrored"] is False

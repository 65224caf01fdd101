"""Batch and memory are checked by arithmetic, and a refusal names numbers that fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from synthseg_trainer.config import Devices, NetworkSettings, TrainSettings, load_settings
from synthseg_trainer.config.devices import replica_bytes, voxel_bytes
from synthseg_trainer.config.stage import Stage
from synthseg_trainer.errors import ConfigError
from typed import there

RELEASED = NetworkSettings(n_labels=33)


def _settings(**changes: object) -> TrainSettings:
    base = {"store": "labels.zarr", "network": RELEASED, "stages": (Stage(name="one", steps=1),)}
    return TrainSettings(**{**base, **changes})  # type: ignore[arg-type]


def _refusal(**changes: object) -> str:
    with pytest.raises(ConfigError) as caught:
        _settings(**changes)
    return str(caught.value)


def test_a_batch_that_devices_cannot_share_is_refused_with_those_that_they_can() -> None:
    eight = Devices(machines=2, gpus_per_machine=4)
    assert _refusal(devices=eight, batch_size=12) == (
        "batch_size 12 cannot be shared by 8 replicas (2 x 4 GPUs) in 1 pass each. "
        "These would fit: batch_size 8 or 16; 6 replicas."
    )
    told = _refusal(devices=eight, batch_size=24, accumulate_steps=2)
    assert "8 replicas (2 x 4 GPUs) in 2 passes each" in told
    assert told.endswith("batch_size 16 or 32; accumulate_steps 1 or 3; 6 replicas.")
    assert _settings(devices=eight, batch_size=24, accumulate_steps=3).batch_size == 24


def test_what_does_not_fit_the_memory_is_refused_and_what_is_named_does_fit() -> None:
    one = Devices(machines=1, gpus_per_machine=2, memory_gib=24)
    told = _refusal(devices=one, batch_size=8)
    assert told.startswith("4 samples at once of the largest crop take about ")
    assert "on each of 2 replicas, devices.memory_gib is 24." in told
    passes = int(told.split("accumulate_steps ")[1].split()[0])
    assert _settings(devices=one, batch_size=8, accumulate_steps=passes)
    small = replace(one, memory_gib=6)
    told = _refusal(devices=small, batch_size=2)
    side = int(told.split("crop.shape [")[1].split(",")[0])
    stage = Stage(name="one", steps=1)
    for edge, fits in ((side, True), (side + 16, False)):
        crop = replace(stage.generator.crop, shape=(edge,) * 3)
        changed = replace(stage, generator=replace(stage.generator, crop=crop))
        if fits:
            assert _settings(devices=small, batch_size=2, stages=(changed,))
        else:
            assert "devices.memory_gib is 6" in _refusal(
                devices=small, batch_size=2, stages=(changed,)
            )


def test_devices_that_are_not_told_are_not_checked() -> None:
    assert _settings(batch_size=7, devices=Devices(memory_gib=1)).devices.replicas is None
    with pytest.raises(ConfigError, match=r"devices\.machines must be positive"):
        Devices(machines=0)


def test_the_recipe_for_several_gpus_is_the_released_one_in_larger_steps(head_store: Path) -> None:
    several = load_settings(Path("several_gpus"), store=str(head_store))
    released = load_settings(Path("released"), store=str(head_store))
    assert several.network == released.network
    assert several.batch_size == there(several.devices.replicas)
    assert several.total_steps * several.batch_size == released.total_steps
    assert [s.generator for s in several.stages] == [s.generator for s in released.stages]


# Edge of the crop, samples at once, features: most that a step took beyond the process before it,
# in bytes per voxel, on a CPU with TensorFlow 2.21; `released` but for these, one behind a stem.
MEASURED = (((96, 1, 24), 1755), ((64, 2, 24), 2246), ((96, 1, 12), 1117))
BEHIND_A_STEM = replace(RELEASED, stem=2, features=16, normalization="instance"), 592


@pytest.mark.parametrize(("case", "measured"), MEASURED)
def test_the_estimate_lies_a_little_above_what_was_measured(
    case: tuple[int, int, int], measured: float
) -> None:
    _, samples, features = case
    settings = _settings(network=replace(RELEASED, features=features))
    assert measured < voxel_bytes(settings) < 1.4 * measured
    per_sample = replica_bytes(settings, samples + 1) - replica_bytes(settings, samples)
    assert per_sample == pytest.approx(voxel_bytes(settings) * 160**3)


def test_the_estimate_behind_a_stem_does_so_too() -> None:
    network, measured = BEHIND_A_STEM
    assert measured < voxel_bytes(_settings(network=network)) < 1.4 * measured

import dataclasses

import numpy as np
import pytest
from synthseg_trainer.bundle import load_bundle
from synthseg_trainer.checkpoints import checkpoint_folders, latest_checkpoint
from synthseg_trainer.config import load_settings
from synthseg_trainer.errors import CheckpointError, TrainerError
from synthseg_trainer.loop import train
from synthseg_trainer.training import Training


@pytest.fixture(scope="module")
def settings(run_config):
    return load_settings(run_config)


@pytest.fixture(scope="module")
def finished_run(settings, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    assert train(settings, run) is True
    return run


def test_a_run_ends_with_a_checkpoint_of_its_last_step(settings, finished_run):
    assert latest_checkpoint(finished_run).step == settings.total_steps


def test_a_run_writes_tensorboard_scalars(finished_run):
    assert list((finished_run / "logs").glob("events.*"))


def test_training_changes_weights_and_moving_statistics(finished_run):
    first, *_, last = checkpoint_folders(finished_run)
    before, after = (load_bundle(folder / "model.npz").weights for folder in (first, last))
    for name in ("unet_conv_downarm_0_0/kernel", "unet_bn_down_0/moving_mean"):
        assert np.any(before[name] != after[name])


def test_resumed_run_equals_the_uninterrupted_one_to_the_bit(settings, finished_run, tmp_path):
    first, second = settings.stages
    short = dataclasses.replace(settings, stages=(first, dataclasses.replace(second, steps=1)))
    # The cosine depends on the length of the stage: hold the rate, so that only resuming differs.
    stages = tuple(dataclasses.replace(s, final_learning_rate=None) for s in settings.stages)
    whole, part = (
        dataclasses.replace(
            s,
            stages=tuple(
                dataclasses.replace(a, steps=b.steps) for a, b in zip(stages, s.stages, strict=True)
            ),
        )
        for s in (settings, short)
    )
    train(whole, tmp_path / "whole")
    train(part, tmp_path / "part")
    train(whole, tmp_path / "part", resume=True)
    expected, found = (latest_checkpoint(tmp_path / name) for name in ("whole", "part"))
    assert found.step == expected.step
    for name, value in expected.bundle.weights.items():
        np.testing.assert_array_equal(found.bundle.weights[name], value)
    for value, other in zip(expected.optimizer, found.optimizer, strict=True):
        np.testing.assert_array_equal(value, other)


def test_a_folder_with_a_run_is_not_overwritten(settings, finished_run):
    with pytest.raises(CheckpointError, match="pass --resume"):
        Training(settings, finished_run)


def test_changed_settings_are_refused_with_the_difference(settings, finished_run):
    changed = dataclasses.replace(settings, seed=7)
    with pytest.raises(CheckpointError, match="seed: 1 -> 7"):
        Training(changed, finished_run, resume=True)


def test_validation_scores_every_structure_of_held_out_maps(settings, finished_run):
    scores = Training(settings, finished_run, resume=True).validate().dice
    assert len(scores) == 32
    present = [score for score in scores.values() if np.isfinite(score)]
    assert present
    assert all(0 <= score <= 1 for score in present)


def test_held_out_maps_are_not_trained_on(settings, finished_run):
    training = Training(settings, finished_run, resume=True)
    assert training.training_maps.names == ("head_0", "head_1")


def test_a_run_without_maps_to_train_on_is_refused(settings, tmp_path):
    validation = dataclasses.replace(settings.validation, maps=("head_0", "head_1", "head_2"))
    with pytest.raises(TrainerError, match="none is left to train on"):
        Training(dataclasses.replace(settings, validation=validation), tmp_path)


def test_loss_that_is_not_finite_names_the_samples(settings, tmp_path):
    wild = dataclasses.replace(
        settings.stages[1], learning_rate=1e30, final_learning_rate=None, steps=20
    )
    with pytest.raises(
        TrainerError, match=r"loss of step \d+ is nan; samples \d+ to \d+ of seed 1"
    ):
        train(dataclasses.replace(settings, stages=(wild,)), tmp_path)

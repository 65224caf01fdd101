import dataclasses
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from synthseg_trainer.config import load_settings
from synthseg_trainer.errors import CheckpointError, TrainerError
from synthseg_trainer.network.bundle import load_bundle
from synthseg_trainer.runs.checkpoints import checkpoint_folders, latest_checkpoint
from synthseg_trainer.training.loop import train
from synthseg_trainer.training.sources import SyntheticSources
from synthseg_trainer.training.state import Training

record_run = runpy.run_path(str(Path(__file__).with_name("recorded_run.py")))["record_run"]


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


def test_a_run_told_to_stop_goes_on_to_the_same_network_to_the_bit(
    settings, finished_run, tmp_path
):
    """SIGTERM in the second stage; moving statistics, optimizer and averaged weights too."""
    run = tmp_path / "run"
    assert not record_run(settings, run, tmp_path / "record.npz", stop_after=2)
    assert latest_checkpoint(run).state["next_sample"] == 3 * settings.batch_size
    assert train(settings, run, resume=True)
    expected, found = (latest_checkpoint(folder) for folder in (finished_run, run))
    assert found.state == expected.state
    for name, value in expected.bundle.weights.items():
        np.testing.assert_array_equal(found.bundle.weights[name], value)
    for value, other in zip(expected.optimizer, found.optimizer, strict=True):
        np.testing.assert_array_equal(value, other)


def test_a_broken_newest_checkpoint_leaves_the_one_before(settings, finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    newest = checkpoint_folders(run)[-1]
    (newest / "optimizer.npz").write_bytes(b"broken")
    with pytest.warns(RuntimeWarning, match="Trying the one before"):
        training = Training(settings, run, resume=True)
    assert training.step == settings.total_steps - 1


def test_a_run_does_not_go_on_with_other_data(settings, finished_run):
    class Others(SyntheticSources):
        fingerprint = "other"

    with pytest.raises(CheckpointError, match="was trained on other data than"):
        Training(settings, finished_run, resume=True, sources=Others(settings))


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


def test_a_loss_that_is_not_finite_names_the_sample_and_how_to_make_it(settings, tmp_path):
    wild = dataclasses.replace(
        settings.stages[1], learning_rate=1e30, final_learning_rate=None, steps=20
    )
    said = (
        r"the (loss|gradient) of step \d+ \(stage second\) is not finite: "
        r"sample \d+, made from map head_[01], written by `synthseg-generator generate .*"
        r" --first \d+ --samples 1 --without head_2`"
    )
    with pytest.raises(TrainerError, match=said):
        train(dataclasses.replace(settings, stages=(wild,)), tmp_path)

"""What a run goes on from, and what it refuses to go on with."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from s3_server import s3_server
from synthseg_common.object_storage import join
from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.runs.checkpoints import checkpoint_folders, latest_checkpoint
from synthseg_trainer.runs.mirror import Mirror, fetched
from synthseg_trainer.training.loop import run_training
from synthseg_trainer.training.sources import SyntheticSources
from synthseg_trainer.training.state import Training
from typed import there


def test_a_broken_newest_checkpoint_leaves_the_one_before(
    settings: TrainSettings, finished_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    newest = checkpoint_folders(run)[-1]
    (newest / "optimizer.npz").write_bytes(b"broken")
    with pytest.warns(RuntimeWarning, match="Trying the one before"):
        training = Training(settings, run, resume=True)
    assert training.step == settings.total_steps - 1


def test_a_run_in_object_storage_goes_on_from_there_and_is_saved_there(
    settings: TrainSettings, finished_run: Path, tmp_path: Path
) -> None:
    with s3_server() as server:
        mirror = Mirror(join(server.make_bucket("runs"), "first"))
        former = checkpoint_folders(finished_run)[-2]
        mirror.send_checkpoint(former)
        with pytest.raises(CheckpointError, match=r"^s3://runs/first already holds a run at step"):
            Training(settings, tmp_path / "refused", mirror=mirror)
        training = Training(settings, tmp_path / "work", resume=True, mirror=mirror)
        assert training.step == settings.total_steps - 1
        run_training(training)
        assert mirror.whole_steps()[-1] == settings.total_steps
        with fetched(mirror.url) as found:
            ended, whole = there(latest_checkpoint(found)), there(latest_checkpoint(finished_run))
            assert {path.name for path in found.iterdir()} == {"checkpoints", "best.npz"}
    for name, value in whole.bundle.weights.items():
        np.testing.assert_array_equal(ended.bundle.weights[name], value, err_msg=name)


def test_a_run_does_not_go_on_with_other_data(settings: TrainSettings, finished_run: Path) -> None:
    class Others(SyntheticSources):
        fingerprint = "other"

    with pytest.raises(CheckpointError, match="was trained on other data than"):
        Training(settings, finished_run, resume=True, sources=Others(settings))


def test_a_folder_with_a_run_is_not_overwritten(
    settings: TrainSettings, finished_run: Path
) -> None:
    with pytest.raises(CheckpointError, match="pass --resume"):
        Training(settings, finished_run)


def test_changed_settings_are_refused_with_the_difference(
    settings: TrainSettings, finished_run: Path
) -> None:
    changed = dataclasses.replace(settings, seed=7)
    with pytest.raises(CheckpointError, match="seed: 1 -> 7") as error:
        Training(changed, finished_run, resume=True)
    assert f"--initial-weights {finished_run}." in str(error.value)


def test_validation_scores_every_structure_of_held_out_maps(
    settings: TrainSettings, finished_run: Path
) -> None:
    scores = there(Training(settings, finished_run, resume=True).validate()).dice
    assert len(scores) == 32
    present = [score for score in scores.values() if np.isfinite(score)]
    assert present
    assert all(0 <= score <= 1 for score in present)

"""What a run goes on from, and what it refuses to go on with."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.runs.checkpoints import checkpoint_folders
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

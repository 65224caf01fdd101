import numpy as np
import pytest
from synthseg_generator.labels import SYNTHSEG_V1
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle
from synthseg_trainer.runs.checkpoints import (
    Checkpoint,
    checkpoint_folders,
    latest_checkpoint,
    save_checkpoint,
    step_of,
)


def _checkpoint(step):
    bundle = Bundle(
        network=NetworkSettings(n_labels=32),
        labels=SYNTHSEG_V1,
        weights={"layer/kernel": np.full(3, step, np.float32)},
    )
    optimizer = tuple(np.full(2, step + i, np.float32) for i in range(12))
    return Checkpoint(bundle, optimizer, {"step": step, "settings": {"seed": 1}})


def test_newest_checkpoint_comes_back_as_it_was(tmp_path):
    for step in (9, 10):
        save_checkpoint(tmp_path, _checkpoint(step), keep=3)
    found = latest_checkpoint(tmp_path)
    assert found.step == 10
    np.testing.assert_array_equal(found.bundle.weights["layer/kernel"], [10, 10, 10])
    assert [int(value[0]) for value in found.optimizer] == list(range(10, 22))


def test_only_the_newest_are_kept(tmp_path):
    for step in range(5):
        save_checkpoint(tmp_path, _checkpoint(step), keep=2)
    assert [folder.name for folder in checkpoint_folders(tmp_path)] == [
        "step-00000003",
        "step-00000004",
    ]


def test_those_of_every_so_many_steps_stay_too(tmp_path):
    for step in range(7):
        save_checkpoint(tmp_path, _checkpoint(step), keep=1, keep_every_steps=3)
    assert [step_of(folder) for folder in checkpoint_folders(tmp_path)] == [0, 3, 6]


def test_all_are_kept_if_no_number_is_given(tmp_path):
    for step in range(5):
        save_checkpoint(tmp_path, _checkpoint(step))
    assert len(checkpoint_folders(tmp_path)) == 5


def test_what_a_killed_process_left_half_written_goes_with_the_next_checkpoint(tmp_path):
    left = tmp_path / "checkpoints" / ".writing-abc"
    left.mkdir(parents=True)
    assert latest_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, _checkpoint(1))
    assert not left.exists()


def test_no_checkpoint_is_no_error(tmp_path):
    assert latest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("name", ["model.npz", "optimizer.npz", "state.json"])
def test_broken_newest_checkpoint_falls_back_with_a_warning(tmp_path, name):
    for step in (1, 2):
        newest = save_checkpoint(tmp_path, _checkpoint(step), keep=3)
    (newest / name).write_bytes(b"broken")
    with pytest.warns(RuntimeWarning, match="Trying the one before"):
        assert latest_checkpoint(tmp_path).step == 1


def test_a_run_with_only_broken_checkpoints_is_refused(tmp_path):
    (save_checkpoint(tmp_path, _checkpoint(1), keep=3) / "state.json").unlink()
    with (
        pytest.warns(RuntimeWarning, match="no complete checkpoint"),
        pytest.raises(CheckpointError, match="none of its 1 checkpoints"),
    ):
        latest_checkpoint(tmp_path)


def test_failed_writing_leaves_nothing(tmp_path):
    unwritable = Checkpoint(_checkpoint(1).bundle, (), {"step": 1, "settings": object()})
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path, unwritable, keep=3)
    assert list((tmp_path / "checkpoints").iterdir()) == []

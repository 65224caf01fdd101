import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from synthseg_common.errors import is_outage
from synthseg_common.labels import SYNTHSEG_V1
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.network.bundle import Bundle
from synthseg_trainer.runs.checkpoints import (
    Checkpoint,
    checkpoint_folders,
    find_bundle,
    latest_checkpoint,
    prepare_run,
    save_checkpoint,
    step_of,
)
from typed import there


def _checkpoint(step: int, size: int = 3) -> Checkpoint:
    bundle = Bundle(
        network=NetworkSettings(n_labels=32),
        labels=SYNTHSEG_V1,
        weights={"layer/kernel": np.full(size, step, np.float32)},
    )
    optimizer = tuple(np.full(2, step + i, np.float32) for i in range(12))
    return Checkpoint(bundle, optimizer, {"step": step, "settings": {"seed": 1}})


def test_newest_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    for step in (9, 10):
        save_checkpoint(tmp_path, _checkpoint(step), keep=3)
    found = there(latest_checkpoint(tmp_path))
    assert found.step == 10
    np.testing.assert_array_equal(found.bundle.weights["layer/kernel"], [10, 10, 10])
    assert [int(value[0]) for value in found.optimizer] == list(range(10, 22))


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in range(5):
        save_checkpoint(tmp_path, _checkpoint(step), keep=2)
    assert [folder.name for folder in checkpoint_folders(tmp_path)] == [
        "step-00000003",
        "step-00000004",
    ]


def test_those_of_every_so_many_steps_stay_too(tmp_path: Path) -> None:
    for step in range(7):
        save_checkpoint(tmp_path, _checkpoint(step), keep=1, keep_every_steps=3)
    assert [step_of(folder) for folder in checkpoint_folders(tmp_path)] == [0, 3, 6]


def test_all_are_kept_if_no_number_is_given(tmp_path: Path) -> None:
    for step in range(5):
        save_checkpoint(tmp_path, _checkpoint(step))
    assert len(checkpoint_folders(tmp_path)) == 5


def test_a_copy_that_its_owner_named_is_no_checkpoint_and_stays(tmp_path: Path) -> None:
    kept = save_checkpoint(tmp_path, _checkpoint(1))
    copies = [kept.with_name(name) for name in ("step-00000001-good", "step-late", "step-")]
    for copy in copies:
        shutil.copytree(kept, copy)
    for step in (2, 3):
        save_checkpoint(tmp_path, _checkpoint(step), keep=1, keep_every_steps=3)
    assert [step_of(folder) for folder in checkpoint_folders(tmp_path)] == [3]
    assert all(copy.is_dir() for copy in copies)
    assert there(latest_checkpoint(tmp_path)).step == 3
    assert find_bundle(tmp_path).parent.name == "step-00000003"


def test_the_highest_step_is_the_newest_also_with_a_digit_more(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        save_checkpoint(tmp_path, _checkpoint(step))
    assert there(latest_checkpoint(tmp_path)).step == 100_000_000
    assert find_bundle(tmp_path).parent.name == "step-100000000"


def test_a_run_that_fell_back_from_a_broken_checkpoint_keeps_what_it_writes_then(
    tmp_path: Path,
) -> None:
    for step in (1, 4):
        broken = save_checkpoint(tmp_path, _checkpoint(step))
    (broken / "state.json").unlink()
    for step in (2, 3):
        assert save_checkpoint(tmp_path, _checkpoint(step), keep=1).is_dir()
    with pytest.warns(RuntimeWarning, match="Trying the one before"):
        assert there(latest_checkpoint(tmp_path)).step == 3
    save_checkpoint(tmp_path, _checkpoint(4), keep=1)
    assert there(latest_checkpoint(tmp_path)).step == 4
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000004"]


def test_checkpoints_on_a_failing_disk_may_be_read_later(tmp_path: Path) -> None:
    state = save_checkpoint(tmp_path, _checkpoint(1)) / "state.json"
    state.unlink()
    for unreadable, outage in ((Path("/nowhere"), False), (Path("/proc/self/mem"), True)):
        state.symlink_to(unreadable)
        with (
            pytest.warns(RuntimeWarning, match="Trying the one before"),
            pytest.raises(CheckpointError, match="none of its 1 checkpoints") as caught,
        ):
            latest_checkpoint(tmp_path)
        assert is_outage(caught.value) is outage
        state.unlink()


def test_what_a_killed_process_left_half_written_goes_with_the_next_checkpoint(
    tmp_path: Path,
) -> None:
    left = tmp_path / "checkpoints" / ".writing-abc"
    left.mkdir(parents=True)
    assert latest_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, _checkpoint(1))
    assert not left.exists()


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("name", ["model.npz", "optimizer.npz", "state.json"])
def test_broken_newest_checkpoint_falls_back_with_a_warning(tmp_path: Path, name: str) -> None:
    for step in (1, 2):
        newest = save_checkpoint(tmp_path, _checkpoint(step), keep=3)
    (newest / name).write_bytes(b"broken")
    with pytest.warns(RuntimeWarning, match="Trying the one before"):
        assert there(latest_checkpoint(tmp_path)).step == 1


def test_a_run_with_only_broken_checkpoints_is_refused(tmp_path: Path) -> None:
    (save_checkpoint(tmp_path, _checkpoint(1), keep=3) / "state.json").unlink()
    with (
        pytest.warns(RuntimeWarning, match="no complete checkpoint"),
        pytest.raises(CheckpointError, match="none of its 1 checkpoints"),
    ):
        latest_checkpoint(tmp_path)


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Files can grow to a number of bytes only, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(("room", "file"), [(100_000, "optimizer"), (100, "network")])
def test_a_full_disk_is_named_and_what_was_saved_before_stays(
    tmp_path: Path, room: int, file: str
) -> None:
    place = save_checkpoint(tmp_path, _checkpoint(1))
    large = Checkpoint(_checkpoint(1).bundle, (np.zeros(100_000),), {"step": 1})
    with _room_for(room), pytest.raises(CheckpointError) as caught:
        save_checkpoint(tmp_path, large)
    assert str(caught.value) == (
        f"{place} cannot be written: File too large. "
        "Give it rights and room, then go on with --resume."
    )
    assert [path.name for path in place.parent.iterdir()] == ["step-00000001"]
    assert len(there(latest_checkpoint(tmp_path)).optimizer) == 12


@pytest.mark.parametrize(
    ("taken", "run", "named"),
    [
        ("run", "run", "run cannot be written: there is a file of that name. Give the run another"),
        ("over", "over/run", "over/run cannot be written: Not a directory"),
        ("run/checkpoints", "run", "run/checkpoints cannot be written: there is a file"),
        ("other", "r" * 300, "r cannot be written: File name too long"),
    ],
)
def test_a_run_that_cannot_be_written_is_refused_in_a_line(
    tmp_path: Path, taken: str, run: str, named: str
) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).touch()
    with pytest.raises(CheckpointError, match=named):
        prepare_run(tmp_path / run)


def test_a_run_that_can_be_written_gets_its_folders_and_nothing_else(tmp_path: Path) -> None:
    for _ in range(2):
        prepare_run(tmp_path / "runs" / "first")
    (found,) = (tmp_path / "runs" / "first").iterdir()
    assert found.name == "checkpoints"
    assert list(found.iterdir()) == []


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="r/checkpoints cannot be read: File name too long"):
        latest_checkpoint(tmp_path / ("r" * 300))


def test_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    unwritable = Checkpoint(_checkpoint(1).bundle, (), {"step": 1, "settings": object()})
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path, unwritable, keep=3)
    assert list((tmp_path / "checkpoints").iterdir()) == []

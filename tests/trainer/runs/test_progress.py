import resource
from pathlib import Path
from types import SimpleNamespace

import pytest
from synthseg_trainer.errors import CheckpointError, OutageError
from synthseg_trainer.runs.progress import RunLog


@pytest.fixture
def open_log(tmp_path: Path):
    """A function that opens the log of a run in the folder of the test."""

    def open_it():
        training = SimpleNamespace(writes=True, step=0)
        return RunLog(tmp_path, training, SimpleNamespace(total_steps=10_000, log_steps=1))

    return open_it


def test_a_file_in_the_place_of_the_logs_is_named(tmp_path: Path, open_log) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(CheckpointError, match="logs cannot be written: there is a file"):
        open_log()


def test_a_disk_that_is_full_is_named(tmp_path: Path, open_log) -> None:
    log = open_log()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutageError) as caught:
            log.scalars(1, {f"loss/{number}": 0.5 for number in range(2000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        f"{tmp_path / 'logs'} cannot be written: File too large. "
        "Give it rights and room, then go on with --resume."
    )
    log.close()

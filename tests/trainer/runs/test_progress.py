import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from synthseg_trainer.errors import CheckpointError, OutageError
from synthseg_trainer.runs.progress import RunLog

if TYPE_CHECKING:
    from synthseg_trainer.config import TrainSettings
    from synthseg_trainer.training.state import Training


@pytest.fixture
def open_log(tmp_path: Path) -> Callable[[], RunLog]:
    """A function that opens the log of a run in the folder of the test."""

    def open_it() -> RunLog:
        # A real run would build a network for three values that a log reads.
        training = cast("Training", SimpleNamespace(writes=True, step=0))
        settings = cast("TrainSettings", SimpleNamespace(total_steps=10_000, log_steps=1))
        return RunLog(tmp_path, training, settings)

    return open_it


def test_a_file_in_the_place_of_the_logs_is_named(
    tmp_path: Path, open_log: Callable[[], RunLog]
) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(CheckpointError, match="logs cannot be written: there is a file"):
        open_log()


def test_a_disk_that_is_full_is_named(tmp_path: Path, open_log: Callable[[], RunLog]) -> None:
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

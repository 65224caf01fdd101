"""A short run, taken once for all that look at what it left."""

from pathlib import Path

import pytest
from synthseg_trainer.config import TrainSettings, load_settings
from synthseg_trainer.training.loop import train


@pytest.fixture(scope="session")
def settings(run_config: Path) -> TrainSettings:
    """Five steps in two stages."""
    return load_settings(run_config)


@pytest.fixture(scope="session")
def finished_run(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that took all its steps; whoever changes it takes a copy."""
    run = tmp_path_factory.mktemp("run")
    assert train(settings, run) is True
    return run

from pathlib import Path

import pytest
import tensorflow as tf
from synthseg_generator.errors import SchedulerError
from synthseg_trainer.config import load_settings
from synthseg_trainer.errors import ConfigError
from synthseg_trainer.training.feed import local_feed
from synthseg_trainer.training.preparation import prepared


def test_a_process_alone_prepares_its_own_samples(run_config: Path) -> None:
    with prepared(tf.distribute.get_strategy(), lambda: load_settings(run_config)) as ready:
        assert ready == (load_settings(run_config), local_feed)


def test_nothing_is_opened_for_wrong_settings(tmp_path: Path) -> None:
    """Which the scheduler that does not answer would tell."""
    opened = prepared(
        tf.distribute.get_strategy(),
        lambda: load_settings(tmp_path / "lost.yaml"),
        scheduler="tcp://127.0.0.1:9",
    )
    with pytest.raises(ConfigError, match=r"lost\.yaml: no such file"), opened:
        pass


def test_a_scheduler_that_does_not_answer_is_named(
    run_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_generator.cluster.connection.CONNECT_TIMEOUT_S", 0.5)
    opened = prepared(
        tf.distribute.get_strategy(),
        lambda: load_settings(run_config),
        scheduler="tcp://127.0.0.1:9",
    )
    with pytest.raises(SchedulerError, match=r"tcp://127\.0\.0\.1:9"), opened:
        pass

from __future__ import annotations

import logging
import multiprocessing
from pathlib import Path

import pytest
from synthseg_common.locking import locked


def test_a_lock_is_held_while_the_block_lasts(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with locked(path, "nothing is done") as held:
        assert held
        with locked(path, "nothing is done", limit_s=0.3) as second:
            assert not second
    with locked(path, "nothing is done", limit_s=0) as again:
        assert again


def test_whoever_waits_in_vain_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        locked(tmp_path / "x.lock", "a model is made"),
        caplog.at_level(logging.WARNING),
        locked(tmp_path / "x.lock", "a model is made", limit_s=0),
    ):
        pass
    assert "x.lock holds a lock for 0 s, going on without." in caplog.text


def _count(path: Path, lock: Path) -> None:
    with locked(lock, "somebody counts"):
        number = int(path.read_text())
        path.write_text(str(number + 1))


def test_of_many_processes_one_is_in_the_block(tmp_path: Path) -> None:
    counter, lock = tmp_path / "n", tmp_path / "n.lock"
    counter.write_text("0")
    # Not forked: other tests of this process may have started threads.
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(counter, lock)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert counter.read_text() == "4"

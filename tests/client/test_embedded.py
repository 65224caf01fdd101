from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.embedded import EmbeddedServer
from synthseg_client.errors import EmbeddedServerError
from typed import there


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # no such file, or it went while it was read
        return False


def _wait_until_dead(pid: int, seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _alive(pid)


def test_a_server_serves_while_the_block_lasts(stand_in: Path) -> None:
    with EmbeddedServer(threads=3, cpu=True) as server:
        folder = Path(server.address.removeprefix("unix:")).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with Session(server.address) as session:
            assert session.describe().n_labels == 4
        told = (folder / "server.log").read_text()
        assert "'--threads', '3'" in told
        assert "--cpu" in told
        pid = there(server.pid)
    assert _wait_until_dead(pid)
    assert not folder.exists()


def test_whoever_wants_the_log_gets_all_of_it(stand_in: Path) -> None:
    log = io.StringIO()
    with EmbeddedServer(log=log):
        assert not log.getvalue()
    assert "'--verbose'" in log.getvalue()


def test_a_server_that_cannot_start_says_why(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    with pytest.raises(EmbeddedServerError, match="no versions in"):
        EmbeddedServer(tmp_path / "broken").__enter__()


def test_a_wait_for_a_server_that_never_gets_ready_can_be_given_up(
    stand_in: Path, tmp_path: Path
) -> None:
    (tmp_path / "slow").mkdir()
    server = EmbeddedServer(tmp_path / "slow")
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(server.__enter__)
        server.give_up()
        with pytest.raises(EmbeddedServerError):
            start.result(timeout=200)  # less than it would wait


def test_a_server_that_does_not_get_ready_is_told_of_and_given_up(
    stand_in: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("synthseg_client.embedded._SAY_EVERY_S", 0.5)
    (tmp_path / "stuck").mkdir()
    server = EmbeddedServer(tmp_path / "stuck", start_timeout_s=1.2)
    with pytest.raises(EmbeddedServerError, match="not ready after 1 s"):
        server.__enter__()
    said = capsys.readouterr().err
    assert "The server started here is not ready after" in said
    assert "waiting up to 1 s" in said
    assert server.pid is None


def test_without_the_server_package_both_choices_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthseg_client.embedded.is_installed", lambda: False)
    with pytest.raises(
        EmbeddedServerError, match=r"--server HOST:PORT.*synthseg-serving\[serving\]"
    ):
        EmbeddedServer().__enter__()


def test_a_server_that_was_killed_is_started_again(stand_in: Path) -> None:
    with EmbeddedServer() as server:
        patient = RetryPolicy(attempts=4, first_wait_s=0.1)
        with Session(server.address, retry=patient, revive=server.restart_if_dead) as session:
            assert session.status()
            first = there(server.pid)
            os.kill(first, signal.SIGKILL)
            assert session.status()
            assert server.pid != first


def test_a_living_server_is_left_alone(stand_in: Path) -> None:
    with EmbeddedServer() as server:
        first = server.pid
        assert not server.restart_if_dead()
        assert server.pid == first


def test_the_server_ends_when_the_client_is_killed(stand_in: Path, tmp_path: Path) -> None:
    code = """
import sys, time
import synthseg_client.embedded as embedded
embedded.is_installed = lambda: True
with embedded.EmbeddedServer() as server:
    print(server.pid, flush=True)
    time.sleep(600)
"""
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(there(client.stdout).readline())
    assert _alive(pid)
    client.kill()
    client.wait()
    there(client.stdout).close()
    assert _wait_until_dead(pid)

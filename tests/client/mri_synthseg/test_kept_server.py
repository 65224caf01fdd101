from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from synthseg_client.calls.session import Session
from synthseg_client.errors import EmbeddedServerError
from synthseg_client.mri_synthseg.kept_server import KeptServer, stamps_of
from synthseg_client.mri_synthseg.private_folder import private_folder
from typed import there


def _server(
    *arguments: str, stamps: Sequence[str] = (), answer_timeout_s: float = 30, minutes: float = 5
) -> KeptServer:
    return KeptServer(
        arguments=arguments,
        stamps=stamps,
        minutes=minutes,
        start_timeout_s=120,
        answer_timeout_s=answer_timeout_s,
    )


@pytest.fixture(autouse=True)
def _stand_in(stand_in: Path, kept_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthseg_client.mri_synthseg.kept_server.is_installed", lambda: True)


def _answers(server: KeptServer) -> bool:
    with Session(server.address) as session:
        return session.describe().n_labels == 4


def test_a_server_is_started_once_and_found_again(kept_folder: Path) -> None:
    assert _server("--threads", "2").start_if_needed()
    again = _server("--threads", "2", minutes=9)
    assert not again.start_if_needed()
    assert _answers(again)
    assert Path(again.address.removeprefix("unix:")).parent == kept_folder == private_folder()
    told = again.log.read_text()
    assert "'--idle-minutes', '5'" in told
    assert "'--threads', '2'" in told
    assert "--parent-death" not in told


def test_another_set_of_weights_or_number_of_threads_has_its_own(tmp_path: Path) -> None:
    weights = tmp_path / "synthseg_2.0.h5"
    weights.write_bytes(b"1")
    first = _server("--threads", "1", stamps=tuple(stamps_of([weights])))
    assert first.address == _server("--threads", "1", stamps=tuple(stamps_of([weights]))).address
    assert first.address != _server("--threads", "2", stamps=first.stamps).address
    weights.write_bytes(b"12")
    assert first.address != _server("--threads", "1", stamps=tuple(stamps_of([weights]))).address
    assert list(stamps_of([tmp_path / "none.h5"])) == []


def test_it_outlives_the_process_that_started_it() -> None:
    program = (
        "from synthseg_client.mri_synthseg import kept_server as k\n"
        "k.is_installed = lambda: True\n"
        "s = k.KeptServer(arguments=(), stamps=(), minutes=5, start_timeout_s=120)\n"
        "assert s.start_if_needed()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    server = _server()
    assert not server.start_if_needed()
    assert _answers(server)


def test_of_ten_at_once_one_starts_it() -> None:
    with ThreadPoolExecutor(10) as pool:
        started = list(pool.map(lambda _: _server().start_if_needed(), range(10)))
    assert sum(started) == 1
    assert _answers(_server())


def test_one_that_died_is_replaced() -> None:
    server = _server()
    server.start_if_needed()
    first = there(server.pid)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    assert server.pid is None
    assert server.start_if_needed()
    assert _answers(server)
    assert server.pid != first


def test_one_that_hangs_is_ended_and_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    server = _server(answer_timeout_s=1)
    server.start_if_needed()
    first = there(server.pid)
    os.kill(first, signal.SIGSTOP)
    assert server.start_if_needed()
    assert server.pid != first
    assert os.waitpid(first, 0)[0] == first
    assert _answers(server)
    assert "The server that was kept does not answer: starting another" in capsys.readouterr().err


def test_a_process_that_has_its_number_by_now_is_left_alone(kept_folder: Path) -> None:
    server = _server()
    server.start_if_needed()
    (number,) = kept_folder.glob("*.pid")
    own = number.read_text()
    number.write_text(str(os.getpid()))
    assert server.pid is None
    number.write_text(own)
    assert server.pid == int(own)


def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    with pytest.raises(EmbeddedServerError, match="no versions in"):
        _server(str(tmp_path / "broken")).start_if_needed()


def test_one_that_starts_forever_is_given_up(tmp_path: Path) -> None:
    program = "import sys, time; print('reading a disk', flush=True); time.sleep(600)"
    server = KeptServer(
        arguments=(), stamps=(), minutes=1, start_timeout_s=0.5, folder=private_folder()
    )
    package = tmp_path / "packages/synthseg_serving/__main__.py"
    package.write_text(program)
    with pytest.raises(EmbeddedServerError, match="was not ready after"):
        server.start_if_needed()
    assert server.pid is None


def test_without_a_server_s_package_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthseg_client.mri_synthseg.kept_server.is_installed", lambda: False)
    with pytest.raises(EmbeddedServerError, match=r"synthseg-serving\[serving\]"):
        _server().start_if_needed()


def test_a_folder_that_cannot_be_written_is_told_and_no_server_stays(kept_folder: Path) -> None:
    server = _server()
    name = Path(server.address.removeprefix("unix:")).with_suffix(".pid")
    name.mkdir()
    with pytest.raises(EmbeddedServerError, match=r"synthseg: cannot be written.*--keep-server"):
        server.start_if_needed()
    address = server.address.encode()
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if address in _read(path)]
    assert running == []
    name.rmdir()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # has ended meanwhile
        return b""

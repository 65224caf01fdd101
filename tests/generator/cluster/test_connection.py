from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from distributed import Client
from generator_fixtures import OpenScheduler, Scheduler
from synthseg_generator.cluster.jobs import run_all
from synthseg_generator.errors import SchedulerError, StoreError
from typed import there


def test_ctrl_c_reaches_the_caller_and_not_the_workers(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text("""
import os, signal, time
from synthseg_generator.cluster.connection import open_cluster

if __name__ == "__main__":
    told = []
    signal.signal(signal.SIGINT, lambda *_: told.append(True))
    with open_cluster(2) as client:
        before = client.run(os.getpid)
        print("ready", flush=True)
        while not told:
            time.sleep(0.01)
        time.sleep(1)
        print("the same" if client.run(os.getpid) == before else "others")
""")
    caller = subprocess.Popen(
        [sys.executable, str(tmp_path / "caller.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert there(caller.stdout).readline() == "ready\n"
        os.killpg(caller.pid, signal.SIGINT)  # as a terminal does
        out, err = caller.communicate(timeout=300)
    finally:
        caller.kill()
        caller.communicate()
    assert (caller.returncode, out) == (0, "the same\n")
    assert "KeyboardInterrupt" not in err


@pytest.fixture
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an older version of the package, as far as a worker imports it."""
    folder = tmp_path_factory.mktemp("older")
    (folder / "synthseg_generator").mkdir()
    (folder / "synthseg_generator" / "__init__.py").touch()
    return folder


def test_workers_without_this_package_are_named_before_they_are_given_work(
    older: Path, scheduler_with: OpenScheduler
) -> None:
    with scheduler_with(PYTHONPATH=str(older)) as (_, address):
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(1)
        with pytest.raises(StoreError, match=r"worker tcp://.* lacks this package .*install"):
            list(run_all(divmod, [(1, 1)], scheduler=address))


@pytest.mark.parametrize("stopped", ["scheduler", "worker"])
def test_what_does_not_answer_is_not_waited_for_for_ever(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    """As a machine that is suspended, or a process that a debugger holds."""
    monkeypatch.setattr("synthseg_generator.cluster.waits.ANSWER_TIMEOUT_S", 1)
    monkeypatch.setattr("synthseg_generator.cluster.connection.CONNECT_TIMEOUT_S", 2)
    process, address = scheduler
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(1)
        (worker,) = client.run(os.getpid).values()
    pid = process.pid if stopped == "scheduler" else worker
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(SchedulerError, match="answer"):
            list(run_all(divmod, [(1, 1)], scheduler=address))
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://localhost"])
def test_what_is_no_address_is_one_line(address: str) -> None:
    program = "from synthseg_generator.cluster.jobs import run_all\n"
    program += "from synthseg_generator.cli import main\n"
    program += f"main.command('go')(lambda: list(run_all(divmod, [(1, 1)], scheduler={address!r})))"
    program += "\nmain(['go'])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        f"Error: {address} is no address of a Dask scheduler (tcp://host:port): "
    )


def test_an_address_without_a_scheme_is_one_of_tcp(scheduler: Scheduler) -> None:
    _, address = scheduler
    found = run_all(divmod, [(7, 2)], scheduler=address.removeprefix("tcp://"))
    assert list(found) == [(3, 1)]


def test_the_wait_for_what_takes_connections_and_says_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("synthseg_generator.cluster.waits.LOOK_EVERY_S", 0.1)
    monkeypatch.setattr("synthseg_generator.cluster.connection.CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr("synthseg_generator.cluster.waits.ANSWER_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SchedulerError, match="no Dask scheduler answers at"):
            list(run_all(divmod, [(1, 1)], scheduler=address))
    said = capsys.readouterr().err
    assert said == f"the Dask scheduler {address} does not answer: waiting 2 s more.\n"


def test_worker_processes_that_do_not_start_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "synthseg_generator.cluster.connection._WORKER_START", "synthseg_generator.nothing"
    )
    with pytest.raises(SchedulerError, match="2 Dask worker processes could not be started"):
        list(run_all(divmod, [(1, 1), (2, 1)], workers=2))

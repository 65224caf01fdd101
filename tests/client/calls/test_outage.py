"""Servers that die and come back, or do not: one wait for all scans, and the first cause kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from contract_server import ContractServer, Mortal
from log_records import without_dask
from sessions import PATIENT, SOON_OVER, Once, count_outcomes, segment_folder, send_scan
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.session import Session
from synthseg_client.cli import main
from synthseg_client.errors import (
    EmbeddedServerError,
    ServerGoneError,
)
from typed import there


@pytest.mark.parametrize("requests", [1, 3])
def test_a_server_that_comes_back_in_time_gets_all_scans(
    server: Mortal, model: ContractServer, scans: Path, requests: int
) -> None:
    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        if "Waiting" in line:  # it starts when the user has been told
            server.start()

    model.arrived = Once(server.die, at=2)
    with Session(server.address, retry=PATIENT, tell=tell) as session:
        outcomes = segment_folder(session, scans, jobs=3, requests=requests)
    assert [o.status for o in outcomes] == ["done"] * 4, [o.error for o in outcomes]
    waiting, back = said
    assert "Waiting for it, 600 s at most" in waiting
    assert server.address in waiting
    assert "is back after" in back


@pytest.mark.parametrize("requests", [1, 3])
def test_a_server_that_stays_away_is_waited_for_once(
    server: Mortal, model: ContractServer, scans: Path, requests: int
) -> None:
    said: list[str] = []
    model.arrived = Once(server.die, at=2)
    with Session(server.address, retry=SOON_OVER, tell=said.append) as session:
        outcomes = segment_folder(session, scans, jobs=3, requests=requests)
    assert len(said) == 1
    counts = count_outcomes(outcomes)
    assert counts["done"] + counts["failed"] + counts["left"] == 4
    assert 1 <= counts["failed"] <= requests  # at the server when it died
    assert counts["left"]
    for outcome in outcomes:
        if outcome.left:
            assert "Waited 1.2 s for it" in outcome.error
        elif outcome.status == "failed":
            assert "broke" in outcome.error
            assert "while the server had this scan" in outcome.error
            assert outcome.error.endswith("Waited 1.2 s for it.")


def test_scans_that_are_left_are_not_asked_for_even_when_the_server_returns(
    server: Mortal, model: ContractServer, scans: Path
) -> None:
    model.arrived = Once(server.die)
    with Session(server.address, retry=SOON_OVER, tell=lambda _: None) as session:
        plan = plan_batch([str(scans)], scans.parent / "out")
        outcomes = run_batch(session, plan, BatchSettings(jobs=1))
        assert next(outcomes).status == "failed"
        model.requests.clear()
        server.start()
        assert count_outcomes(list(outcomes)) == {"left": 3}
        assert not model.requests
        # Whoever asks on gets an answer, and the outage is over.
        assert session.gone
        send_scan(session)
        assert session.gone is None


def test_what_was_left_is_named_and_resuming_does_it(
    server: Mortal, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    model.arrived = Once(server.die, at=2)
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--json", "--jobs", "1"]
    words += ["--server", server.address, "--server-wait", "1.2"]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 1
    assert "1 of 4 scans failed:" in run.stderr
    (left,) = (line for line in run.stderr.splitlines() if "are left" in line)
    assert left.startswith("2 of 4 scans are left: the connection to unix:")
    assert "--resume goes on with them" in left
    assert run.stderr.count("Waiting") == 1
    records = [json.loads(line) for line in run.stdout.splitlines()]
    assert [r["status"] for r in records] == ["done", "failed", "failed", "failed"]
    assert [r.get("left", False) for r in records] == [False, False, True, True]
    server.start()
    again = CliRunner().invoke(main, [*words, "--resume"])
    assert again.exit_code == 0, again.output
    assert len(list((tmp_path / "out").glob("*.nii"))) == 4


def test_a_server_that_is_not_up_yet_is_waited_for(
    model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    server = Mortal(model, tmp_path)
    tell = Once(server.start)
    with Session(server.address, retry=PATIENT, tell=tell) as session:
        assert {o.status for o in segment_folder(session, scans)} == {"done"}
    server.die()
    assert tell.calls == 2


def test_a_command_that_asks_how_things_are_does_not_wait(tmp_path: Path) -> None:
    for command in ("status", "labels"):
        run = CliRunner().invoke(main, [command, "--server", f"unix:{tmp_path / 'none'}"])
        assert run.exit_code == 1
        assert len(run.output.splitlines()) == 1
        assert "no server answers" in run.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["before the first scan", "in the middle"])
def test_a_signal_ends_the_wait(
    server: Mortal,
    model: ContractServer,
    scans: Path,
    tmp_path: Path,
    number: signal.Signals,
    when: str,
) -> None:
    if when == "in the middle":
        model.arrived = Once(server.die, at=2)
    else:
        server.die()
    command = [sys.executable, "-m", "synthseg_client", "segment", "--i", str(scans)]
    command += ["--o", str(tmp_path / "out"), "--server", server.address, "--server-wait", "600"]
    child = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        for line in there(child.stderr):
            if "Waiting" in line:
                break
        os.kill(child.pid, number)
        _, errors = child.communicate(timeout=200)  # a third of what it would wait
    assert child.returncode == 128 + number, errors
    assert "--resume" in errors


def test_an_interrupt_ends_a_loop_over_scans(
    model: ContractServer, address: str, scans: Path
) -> None:
    code = f"""
import signal
from pathlib import Path
from synthseg_client import Session, segment_many
signal.signal(signal.SIGINT, signal.default_int_handler)
with Session({address!r}) as session:
    list(segment_many(Path({str(scans)!r}).iterdir(), session))
"""
    model.delay_s = 600
    arrived = threading.Event()
    model.arrived = lambda _: arrived.set()
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as child:
        assert arrived.wait(200)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=200)
    assert b"KeyboardInterrupt" in errors


def test_a_server_of_ones_own_is_started_again_without_waiting(
    server: Mortal, model: ContractServer, scans: Path
) -> None:
    said: list[str] = []

    model.arrived = Once(server.die, at=2)
    with Session(server.address, retry=PATIENT, revive=server.start, tell=said.append) as session:
        assert {o.status for o in segment_folder(session, scans)} == {"done"}
    (line,) = said
    assert line.endswith("Starting the server again if it has died.")


def test_a_server_that_cannot_be_started_again_is_tried_once(
    server: Mortal, model: ContractServer, scans: Path
) -> None:
    tried = []

    def revive() -> None:
        tried.append(1)
        raise EmbeddedServerError("the embedded server ended while starting.")

    model.arrived = Once(server.die)
    with Session(server.address, retry=PATIENT, revive=revive) as session:
        outcomes = segment_folder(session, scans, jobs=1)
    assert len(tried) == 1
    assert count_outcomes(outcomes) == {"failed": 1, "left": 3}
    assert "ended while starting" in outcomes[0].error
    assert "while the server had this scan" in outcomes[0].error


def test_a_library_user_is_told_by_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    once = Session(f"unix:{tmp_path / 'none'}", retry=SOON_OVER)
    with once, pytest.raises(ServerGoneError, match=r"Waited 1\.2 s"):
        once.describe()
    (record,) = without_dask(caplog)
    assert (record.name, record.levelname) == ("synthseg_client", "WARNING")

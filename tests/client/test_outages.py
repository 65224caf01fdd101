"""Servers that die and come back, or do not: one wait for all scans, and the first cause kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from contract_server import Mortal, serving
from synthseg_client import messages_pb2 as wire
from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.cli import main
from synthseg_client.errors import (
    EmbeddedServerError,
    ServerError,
    ServerGoneError,
    UnknownModelError,
    UsageError,
)
from synthseg_common import contract

# Waits end with what a test does, not with their limits; those tests that show a limit set it.
PATIENT = RetryPolicy(first_wait_s=0.01, server_wait_s=600)
SOON_OVER = RetryPolicy(first_wait_s=0.01, server_wait_s=1.2)
IMAGE = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)


@pytest.fixture
def server(model, tmp_path: Path):
    with Mortal(model, tmp_path) as running:
        yield running


@pytest.fixture
def scans(tmp_path: Path, save_scan: Callable[..., Path]) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for index in range(4):
        save_scan(folder / f"s{index}.nii", seed=index)
    return folder


def _segment(session: Session, image: np.ndarray = IMAGE) -> object:
    return session.segment(image, (32, 32, 32), flip=False, outputs=contract.EVIDENCE)


def _batch(session: Session, scans: Path, **settings: int) -> list[Outcome]:
    plan = plan_batch([str(scans)], scans.parent / "out")
    return list(run_batch(session, plan, BatchSettings(**settings)))


def _counts(outcomes: list[Outcome]) -> Counter[str]:
    return Counter("left" if o.left else o.status for o in outcomes)


class _Once:
    """Does something at the n-th call, counted from 1; takes whatever it is called with."""

    def __init__(self, do: Callable[[], object], at: int = 1) -> None:
        self.calls = 0
        self._do, self._at = do, at

    def __call__(self, *_: object) -> None:
        self.calls += 1
        if self.calls == self._at:
            self._do()


@pytest.mark.parametrize("requests", [1, 3])
def test_a_server_that_comes_back_in_time_gets_all_scans(
    server, model, scans: Path, requests: int
) -> None:
    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        if "Waiting" in line:  # it starts when the user has been told
            server.start()

    model.arrived = _Once(server.die, at=2)
    with Session(server.address, retry=PATIENT, tell=tell) as session:
        outcomes = _batch(session, scans, jobs=3, requests=requests)
    assert [o.status for o in outcomes] == ["done"] * 4, [o.error for o in outcomes]
    waiting, back = said
    assert "Waiting for it, 600 s at most" in waiting
    assert server.address in waiting
    assert "is back after" in back


@pytest.mark.parametrize("requests", [1, 3])
def test_a_server_that_stays_away_is_waited_for_once(
    server, model, scans: Path, requests: int
) -> None:
    said: list[str] = []
    model.arrived = _Once(server.die, at=2)
    with Session(server.address, retry=SOON_OVER, tell=said.append) as session:
        outcomes = _batch(session, scans, jobs=3, requests=requests)
    assert len(said) == 1
    counts = _counts(outcomes)
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
    server, model, scans: Path
) -> None:
    model.arrived = _Once(server.die)
    with Session(server.address, retry=SOON_OVER, tell=lambda _: None) as session:
        plan = plan_batch([str(scans)], scans.parent / "out")
        outcomes = run_batch(session, plan, BatchSettings(jobs=1))
        assert next(outcomes).status == "failed"
        model.requests.clear()
        server.start()
        assert _counts(list(outcomes)) == {"left": 3}
        assert not model.requests
        # Whoever asks on gets an answer, and the outage is over.
        assert session.gone
        _segment(session)
        assert session.gone is None


def test_what_was_left_is_named_and_resuming_does_it(
    server, model, scans: Path, tmp_path: Path
) -> None:
    model.arrived = _Once(server.die, at=2)
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


def test_a_server_that_is_not_up_yet_is_waited_for(model, scans: Path, tmp_path: Path) -> None:
    server = Mortal(model, tmp_path)
    tell = _Once(server.start)
    with Session(server.address, retry=PATIENT, tell=tell) as session:
        assert {o.status for o in _batch(session, scans)} == {"done"}
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
    server, model, scans: Path, tmp_path: Path, number, when: str
) -> None:
    if when == "in the middle":
        model.arrived = _Once(server.die, at=2)
    else:
        server.die()
    command = [sys.executable, "-m", "synthseg_client", "segment", "--i", str(scans)]
    command += ["--o", str(tmp_path / "out"), "--server", server.address, "--server-wait", "600"]
    child = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with child:
        for line in child.stderr:
            if "Waiting" in line:
                break
        os.kill(child.pid, number)
        _, errors = child.communicate(timeout=200)  # a third of what it would wait
    assert child.returncode == 128 + number
    assert "--resume" in errors


def test_an_interrupt_ends_a_loop_over_scans(model, address: str, scans: Path) -> None:
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


def _deadly(server: Mortal, image: np.ndarray) -> Callable[[dict], None]:
    """Kills the server whenever an image arrives; it is started again at once."""

    def arrived(inputs: dict) -> None:
        if inputs[contract.IMAGE].max() == image.max():
            server.die()
            server.start()

    return arrived


def test_a_scan_that_kills_the_server_twice_is_blamed_and_the_others_go_on(
    server, model, scans: Path, tmp_path: Path
) -> None:
    with Session(server.address, retry=PATIENT) as session:
        _batch(session, scans / "s1.nii")
        deadly = model.requests[0][contract.IMAGE]
        model.requests.clear()
        model.arrived = _deadly(server, deadly)
        outcomes = {o.task.scan.name: o for o in _batch(session, scans, jobs=4, requests=4)}
    assert Counter(o.status for o in outcomes.values()) == {"done": 3, "failed": 1}
    failed = outcomes["s1.nii"]
    assert not failed.left
    assert "the server was lost 2 times while it had this scan" in failed.error
    assert "First, the connection to" in failed.error
    assert server.starts == 3
    sent = Counter(float(r[contract.IMAGE].max()) for r in model.requests)
    assert sent[float(deadly.max())] == 2


def test_suspects_are_sent_alone_and_not_blamed(server, model) -> None:
    """Three scans are at the server when it dies; then one at a time is."""
    together = threading.Barrier(3, action=lambda: (server.die(), server.start()))
    lock, at_once, most = threading.Lock(), [], []

    def arrived(inputs: dict) -> None:
        if server.starts == 1:
            together.wait(60)
        else:
            with lock:
                at_once.append(inputs)
                most.append(len(at_once))

    def tamper(outputs: dict) -> dict:
        with lock:
            if at_once:
                at_once.pop()
        return outputs

    model.arrived, model.tamper = arrived, tamper
    with Session(server.address, retry=PATIENT) as session, ThreadPoolExecutor(3) as pool:
        session.describe()
        list(pool.map(lambda factor: _segment(session, IMAGE * factor), (1, 2, 3)))
    assert len(model.requests) == 6
    assert most == [1, 1, 1]


def test_a_server_of_ones_own_is_started_again_without_waiting(server, model, scans: Path) -> None:
    said: list[str] = []

    model.arrived = _Once(server.die, at=2)
    with Session(server.address, retry=PATIENT, revive=server.start, tell=said.append) as session:
        assert {o.status for o in _batch(session, scans)} == {"done"}
    (line,) = said
    assert line.endswith("Starting the server again if it has died.")


def test_a_session_that_was_closed_starts_no_server_again(server, model) -> None:
    """Closing breaks the connection: that is no server to look after, nor anything to tell."""
    said: list[str] = []
    revived: list[None] = []
    session = Session(
        server.address, retry=PATIENT, revive=lambda: revived.append(None), tell=said.append
    )
    model.arrived = lambda _: session.close()
    model.delay_s = 600
    session.describe()
    with pytest.raises(ServerError):
        _segment(session)
    assert not revived
    assert not said


def test_a_server_that_cannot_be_started_again_is_tried_once(server, model, scans: Path) -> None:
    tried = []

    def revive() -> None:
        tried.append(1)
        raise EmbeddedServerError("the embedded server ended while starting.")

    model.arrived = _Once(server.die)
    with Session(server.address, retry=PATIENT, revive=revive) as session:
        outcomes = _batch(session, scans, jobs=1)
    assert len(tried) == 1
    assert _counts(outcomes) == {"failed": 1, "left": 3}
    assert "ended while starting" in outcomes[0].error
    assert "while the server had this scan" in outcomes[0].error


def test_a_model_that_goes_away_for_a_while_is_waited_for(address: str, model, scans: Path) -> None:
    """As in a roll-out, or when a configuration is replaced."""

    def go(*_: object) -> None:
        model.loading = True
        model.failures = [_not_found()]

    def come(*_: object) -> None:
        model.loading = False

    model.arrived = _Once(go, at=2)
    model.failure_details = "Servable not found for request: Latest(synthseg)"
    with Session(address, retry=PATIENT, tell=come) as session:
        outcomes = _batch(session, scans, jobs=1)
    assert {o.status for o in outcomes} == {"done"}, [o.error for o in outcomes]


def _not_found() -> object:
    import grpc

    return grpc.StatusCode.NOT_FOUND


def test_a_model_that_is_loading_is_waited_for_before_the_first_scan(
    address: str, model, scans: Path
) -> None:
    model.loading, model.states = True, {1: wire.ModelVersionStatus.LOADING}

    def come(*_: object) -> None:
        model.loading, model.states = False, None

    with Session(address, retry=PATIENT, tell=come) as session:
        assert {o.status for o in _batch(session, scans)} == {"done"}


@pytest.mark.parametrize("choice", ["other", "other:1", "other@stable", "synthseg:7", "synthseg@x"])
def test_a_model_that_is_not_served_is_the_callers_mistake(
    address: str, model, scans: Path, choice: str
) -> None:
    out = scans.parent / "new" / "out"
    words = ["segment", "--i", str(scans), "--o", str(out), "--server", address, "--model", choice]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 2, run.output
    assert f"has no model {choice}" in run.output
    assert len(run.output.splitlines()) == 1
    assert not model.requests
    assert not out.parent.exists()


@pytest.mark.parametrize("choice", ["@", "synthseg@", "@stable", ":1", "synthseg:"])
def test_a_model_without_a_name_or_label_is_no_choice(
    address: str, scans: Path, choice: str
) -> None:
    words = ["labels", "--server", address, "--model", choice]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 2
    assert f"--model {choice}: expected NAME, NAME:VERSION or NAME@LABEL" in run.output


@pytest.mark.parametrize("command", ["labels", "status"])
def test_asking_about_a_model_that_is_not_served_is_a_mistake_too(
    address: str, command: str
) -> None:
    run = CliRunner().invoke(main, [command, "--server", address, "--model", "other"])
    assert run.exit_code == 2, run.output


def test_a_model_that_is_not_served_is_an_error_of_both_kinds(address: str) -> None:
    with Session(address, ModelChoice(name="other")) as session:
        with pytest.raises(UnknownModelError, match="another name") as raised:
            session.describe()
        assert isinstance(raised.value, UsageError)


def test_a_version_that_has_ended_is_no_mistake_of_the_caller(
    address: str, model, scans: Path, tmp_path: Path
) -> None:
    model.states = {1: wire.ModelVersionStatus.AVAILABLE, 7: wire.ModelVersionStatus.END}
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--server", address]
    run = CliRunner().invoke(main, [*words, "--model", "synthseg:7"])
    assert run.exit_code == 1, run.output


def test_answers_of_two_versions_are_told_at_the_end(
    address: str, model, scans: Path, tmp_path: Path
) -> None:
    def newer() -> None:
        model.version = 2

    model.arrived = _Once(newer, at=2)
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--jobs", "1"]
    run = CliRunner().invoke(main, [*words, "--server", address, "--json", "--quiet"])
    assert run.exit_code == 0, run.output
    last = run.stderr.splitlines()[-1]
    assert "synthseg:1 1 times, synthseg:2 3 times" in last
    models = [json.loads(line)["model"] for line in run.stdout.splitlines()]
    assert models == ["synthseg:1", *["synthseg:2"] * 3]


def test_one_version_is_nothing_to_tell(address: str, scans: Path, tmp_path: Path) -> None:
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--server", address]
    assert "of one model version" not in CliRunner().invoke(main, words).output


def test_a_wait_for_a_server_that_was_not_named_is_refused(scans: Path, tmp_path: Path) -> None:
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--server-wait", "5"]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 2
    assert "--server-wait is for a server that was named" in run.output


def test_a_library_user_is_told_by_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    once = Session(f"unix:{tmp_path / 'none'}", retry=SOON_OVER)
    with once, pytest.raises(ServerGoneError, match=r"Waited 1\.2 s"):
        once.describe()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("synthseg_client", "WARNING")


def test_servers_behind_one_name_are_killed_twice_at_most(model) -> None:
    """Where another server answers at once, nobody waits."""
    said: list[str] = []
    with serving(model) as first, serving(model) as second:
        ports = ",".join(f"127.0.0.1:{a.rpartition(':')[2]}" for a in (first, second))
        model.failures, model.failure_details = [_down()] * 9, "Socket closed"
        with Session(f"ipv4:{ports}", retry=PATIENT, tell=said.append) as session:
            with pytest.raises(Exception, match="lost 2 times"):
                _segment(session)
            model.failures.clear()
            _segment(session)
    assert len(model.requests) == 3
    assert not said


def _down() -> object:
    import grpc

    return grpc.StatusCode.UNAVAILABLE

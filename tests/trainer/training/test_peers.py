"""Machines that wait for each other, without TensorFlow: threads and small processes."""

import contextlib
import gc
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest
from signalled import end_by_signal
from synthseg_trainer.errors import ConfigError, OutageError
from synthseg_trainer.signals import Stopped, signals_end_it
from synthseg_trainer.training.peers import (
    Cluster,
    Peer,
    absent_peers,
    in_words,
    meet,
    read_cluster,
    spoken_wait,
)


@pytest.fixture
def ports() -> list[int]:
    """Three free ports, below those that the system gives away."""
    found = []
    for port in random.sample(range(20_000, 32_000), 200):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == 3:
            break
    return found


def _described(ports: list[int], index: int, host: str = "127.0.0.1") -> str:
    addresses = [f"{host if i != index else '127.0.0.1'}:{port}" for i, port in enumerate(ports)]
    return json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )


def test_machines_that_come_one_after_the_other_all_meet(ports: list[int]) -> None:
    """The first to see all of them leaves its port to TensorFlow, which the others see then."""
    said: list[str] = []
    met = threading.Barrier(4)

    def come(index: int) -> None:
        meet(read_cluster(_described(ports, index)), 60, said.append)
        with socket.create_server(("", ports[index])):  # as TensorFlow does
            met.wait(60)

    threads = [threading.Thread(target=come, args=(index,)) for index in range(3)]
    for thread in threads[:2]:
        thread.start()
    while not said:  # one of the two says that the third is missing
        threads[0].join(0.05)
    threads[2].start()
    met.wait(60)
    for thread in threads:
        thread.join()
    assert f"waits for worker 2 (127.0.0.1:{ports[2]}: nothing listens there); worker " in said[0]
    assert re.search(rf"127.0.0.1:({ports[0]}|{ports[1]})\) answers; it gives up in", said[0])


def test_a_machine_that_waits_answers_every_time_however_soon_it_closes(ports: list[int]) -> None:
    done = threading.Event()

    def take(server: socket.socket) -> None:
        while not done.is_set():
            connection, _ = server.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    with socket.create_server(("127.0.0.1", ports[0])) as server:
        takers = [threading.Thread(target=take, args=(server,), daemon=True) for _ in range(4)]
        for taker in takers:
            taker.start()
        peer = Peer("worker 0", "127.0.0.1", ports[0])
        absent = [absent_peers([peer]) for _ in range(100)]
        done.set()
        for _ in takers:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", ports[0])).close()
        for taker in takers:
            taker.join(10)
    assert absent == [{}] * 100


def test_a_machine_that_does_not_come_is_named_with_its_reason(ports: list[int]) -> None:
    with (
        socket.create_server(("127.0.0.1", ports[1])),
        pytest.raises(OutageError) as caught,
    ):
        meet(read_cluster(_described(ports, 0)), 0.5)
    assert str(caught.value) == (
        f"worker 2 (127.0.0.1:{ports[2]}: nothing listens there) did not come within 0.5 s: a run "
        "of several machines begins when all are there. Look at what runs there and at TF_CONFIG, "
        "or wait longer (--wait-minutes)."
    )


def test_a_name_that_does_not_resolve_is_told_from_a_machine_that_is_not_up(
    ports: list[int],
) -> None:
    """As a pod's before the pod is there; it may yet come."""
    cluster = read_cluster(_described(ports[:2], 0, host="worker-1.invalid"))
    (reason,) = absent_peers(cluster.others, 60).values()
    assert reason.startswith("its name does not resolve, ")
    with pytest.raises(OutageError, match=rf"worker-1\.invalid:{ports[1]}: "):
        meet(cluster, 0.1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait_at_once(
    ports: list[int], number: signal.Signals, code: int
) -> None:
    program = """
import sys
from synthseg_trainer.signals import signals_end_it
from synthseg_trainer.training import peers

peers._FIRST_WORD_S = 0
with signals_end_it():
    peers.meet(peers.read_cluster(sys.argv[1]))
"""
    described = _described(ports, 0, host="worker.invalid")
    process = subprocess.Popen(
        [sys.executable, "-c", program, described], stderr=subprocess.PIPE, text=True
    )
    told = "waits for worker 1 (worker.invalid"
    said = end_by_signal(process, number, process.stderr, told)
    assert process.returncode == code
    assert said.splitlines()[-1] == f"{number.name}: ended at once, what was saved before stays."
    assert "Traceback" not in said


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_as_it_begins_to_listen_leaves_no_socket_behind(
    ports: list[int],
) -> None:
    """What it raises may come between any two instructions."""

    def send() -> None:
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", ports[0])).close()
                break
        os.kill(os.getpid(), signal.SIGTERM)

    for _ in range(40):
        sender = threading.Thread(target=send)
        sender.start()
        with pytest.raises(Stopped), signals_end_it():
            meet(read_cluster(_described(ports[:2], 0)))
        sender.join()
    gc.collect()


def test_a_port_that_is_taken_here_is_told(ports: list[int]) -> None:
    with (
        socket.create_server(("", ports[0])),
        pytest.raises(
            OutageError, match="this machine, cannot listen at its port: Address already"
        ),
    ):
        meet(read_cluster(_described(ports, 0)), 60)


def test_a_machine_alone_waits_for_nobody(ports: list[int]) -> None:
    meet(read_cluster(_described(ports[:1], 0)), 0.0)


@pytest.mark.parametrize(
    ("described", "named"),
    [
        ({"cluster": {"worker": ["a:1", "b"]}}, "as host:port, got 'b' for worker 1"),
        ({"cluster": {"worker": ["a:1", "b:0"]}}, "as host:port, got 'b:0' for worker 1"),
        ({"cluster": {"worker": "a:1"}}, "as host:port, got None for worker 0"),
        ({"cluster": {"worker": ["a:1"]}}, r"one of its machines \(worker 0\)"),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}},
            r"of its machines \(worker 0\), got .*\"index\": 1",
        ),
        ({"cluster": ["a:1"], "task": {"type": "worker", "index": 0}}, r"machines \(none\)"),
    ],
)
def test_a_broken_description_is_refused_with_what_is_wrong(
    described: dict[str, object],
    named: str,
) -> None:
    with pytest.raises(ConfigError, match=f"TF_CONFIG describes no cluster: .*{named}"):
        read_cluster(json.dumps(described))


def test_chief_and_workers_are_needed_and_nobody_else() -> None:
    jobs = {"chief": ["c:1"], "worker": ["[::1]:2"], "evaluator": ["e:4"], "ps": ["p:5"]}
    described = {"cluster": jobs, "task": {"type": "chief", "index": 0}}
    own, other = Peer("chief 0", "c", 1), Peer("worker 0", "::1", 2)
    assert read_cluster(json.dumps(described)) == Cluster(own, (other,))


def test_what_lasts_is_spoken_of_with_who_is_missing(
    ports: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer("worker 1", "127.0.0.1", ports[1])
    said = ""
    with spoken_wait("step 3", [peer], every_s=0.01):
        while "step 3 takes" not in said:
            said += capsys.readouterr().err
    assert f"so far; it waits for worker 1 (127.0.0.1:{ports[1]}: nothing listens" in said


def test_nothing_is_said_to_a_machine_alone() -> None:
    before = threading.active_count()
    with spoken_wait("step 3", [], every_s=0):
        assert threading.active_count() == before


def test_a_length_of_time_reads_well() -> None:
    assert [in_words(s) for s in (0.5, 90, 570, 600)] == [
        "0.5 s",
        "90 s",
        "9.5 minutes",
        "10 minutes",
    ]

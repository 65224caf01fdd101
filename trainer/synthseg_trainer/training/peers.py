"""The other machines of a run: who they are, which of them answer, and the wait until all do.

TensorFlow would wait for ever, in silence, deaf to signals, so it starts when all are there.
Importing this loads no TensorFlow.
"""

from __future__ import annotations

import errno
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from synthseg_common.telemetry.log import note

from synthseg_trainer.errors import ConfigError, OutageError
from synthseg_trainer.signals import start_deaf, start_deaf_thread

DEFAULT_WAIT_S = 600.0
_SAY_EVERY_S = 30.0
_SPEAK_EVERY_S = 60.0
_PROBE_EVERY_S = 0.5
_PROBE_TIMEOUT_S = 5.0
# In which the first answers may come before a wait is spoken of.
_FIRST_WORD_S = 3.0
_JOBS = ("chief", "worker")
_NOT_ASKED = "not reached yet"
# Closing resets the connection, so that the port is free at once.
_RESET = b"\x01\0\0\0\0\0\0\0"


@dataclass(frozen=True)
class Peer:
    """A machine of `TF_CONFIG`.

    Attributes:
        task: `worker 1` for instance.
        host: Its name or address.
        port: Where its TensorFlow listens.
    """

    task: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.task} ({self.host}:{self.port})"


@dataclass(frozen=True)
class Cluster:
    """The machines of a run.

    Attributes:
        own: This one.
        others: Those that it needs.
    """

    own: Peer
    others: tuple[Peer, ...]


def read_cluster(described: str) -> Cluster:
    """Reads `TF_CONFIG`.

    Raises:
        ConfigError: It describes no machine that trains.
    """
    try:
        content = json.loads(described)
    except ValueError as error:
        raise ConfigError(f"TF_CONFIG is no JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"TF_CONFIG must be a JSON object with `cluster` and `task`, got {described}."
        )
    task = content.get("task", {})
    kind, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (task, None)
    # TensorFlow takes an evaluator for a cluster of its own, which would train a second time.
    if kind not in (*_JOBS, None):
        raise ConfigError(
            f"TF_CONFIG makes this machine a task of type {kind!r}; only chief and worker train."
        )
    peers = dict(_peers(content.get("cluster")))
    own = peers.pop((kind, index), None) if isinstance(index, int) else None
    if own is None:
        known = ", ".join(peer.task for peer in peers.values()) or "none"
        raise ConfigError(
            "TF_CONFIG describes no cluster: `task` must hold type and index of one of its "
            f"machines ({known}), got {json.dumps(task)}."
        )
    return Cluster(own, tuple(peers.values()))


def others_of(jobs: Mapping[str, object], task_type: str, task_id: int) -> tuple[Peer, ...]:
    """The machines of a cluster without one of them; `jobs` lists addresses by the name of a job.

    Raises:
        ConfigError: They are no addresses.
    """
    return tuple(peer for key, peer in _peers(jobs) if key != (task_type, task_id))


def _peers(cluster: object) -> Iterator[tuple[tuple[str | None, int], Peer]]:
    jobs = cluster if isinstance(cluster, dict) else {}
    for job in _JOBS:
        addresses = jobs.get(job, [])
        for index, address in enumerate(addresses if isinstance(addresses, list) else [None]):
            host, _, port = str(address).rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise ConfigError(
                    "TF_CONFIG describes no cluster: `cluster` must list the machines of each job "
                    f"as host:port, got {address!r} for {job} {index}."
                )
            yield (job, index), Peer(f"{job} {index}", host.strip("[]"), int(port))


def meet(
    cluster: Cluster, limit_s: float = DEFAULT_WAIT_S, say: Callable[[str], None] | None = None
) -> None:
    """Returns when every other machine answers; this one answers meanwhile.

    Args:
        cluster: The machines.
        limit_s: How long to wait.
        say: Takes a line now and then; by default standard error does.

    Raises:
        OutageError: Some do not come; the message names them.
        ConfigError: This machine cannot listen where `TF_CONFIG` says.
    """
    say = say or _to_stderr
    started = time.monotonic()
    next_word_s = _FIRST_WORD_S
    with _listening(cluster.own), _probing(cluster.others) as missing:
        while absent := missing():
            waited = time.monotonic() - started
            if waited >= limit_s:
                raise OutageError(_given_up(absent, limit_s))
            if waited >= next_word_s:
                say(_waiting(cluster, absent, limit_s - waited))
                next_word_s = waited + _SAY_EVERY_S
            time.sleep(0.1)


def absent_peers(peers: Sequence[Peer], patience_s: float = _PROBE_TIMEOUT_S) -> dict[Peer, str]:
    """Those that do not answer now, and why not.

    Args:
        peers: Whom to ask.
        patience_s: For how long a name may be looked up.
    """
    with _probing(peers) as missing:
        ends = time.monotonic() + patience_s
        while _NOT_ASKED in missing().values() and time.monotonic() < ends:
            time.sleep(0.05)
        return missing()


@contextmanager
def spoken_wait(
    what: str, peers: Sequence[Peer], every_s: float = _SPEAK_EVERY_S
) -> Iterator[None]:
    """Around what all machines do together: says from time to time that it lasts, and who is there.

    How long is up to TensorFlow, which ends it some 10 s after another machine is lost.

    Args:
        what: Lasts.
        peers: The other machines; without any nothing is said.
        every_s: Time between two lines.
    """
    done, started = threading.Event(), time.monotonic()

    def speak() -> None:
        while not done.wait(every_s):
            absent = absent_peers(peers)
            who = f"it waits for {listed(absent)}" if absent else "all other machines answer"
            if not done.is_set():
                _to_stderr(f"{what} takes {in_words(time.monotonic() - started)} so far; {who}.")

    if peers:
        start_deaf_thread(speak, "waiting")
    try:
        yield
    finally:
        done.set()


def listed(absent: dict[Peer, str]) -> str:
    """The machines and their reasons, in words."""
    return ", ".join(f"{p.task} ({p.host}:{p.port}: {reason})" for p, reason in absent.items())


def in_words(seconds: float) -> str:
    """A length of time: `90 s`, `10 minutes`."""
    return f"{seconds / 60:.3g} minutes" if seconds >= 120 else f"{seconds:.3g} s"


def _given_up(absent: dict[Peer, str], limit_s: float) -> str:
    return (
        f"{listed(absent)} did not come within {in_words(limit_s)}: a run of several machines "
        "begins when all are there. Look at what runs there and at TF_CONFIG, or wait longer "
        "(--wait-minutes)."
    )


def _waiting(cluster: Cluster, absent: dict[Peer, str], left_s: float) -> str:
    here = [str(peer) for peer in cluster.others if peer not in absent]
    answering = f"; {', '.join(here)} answer{'s' if len(here) == 1 else ''}" if here else ""
    return (
        f"{cluster.own} waits for {listed(absent)}{answering}; it gives up in {in_words(left_s)}."
    )


def _to_stderr(line: str) -> None:
    note(line)


@contextmanager
def _probing(peers: Sequence[Peer]) -> Iterator[Callable[[], dict[Peer, str]]]:
    """Asks again and again, one thread for each: to look up a name may take minutes."""
    states: dict[Peer, str | None] = dict.fromkeys(peers, _NOT_ASKED)
    done = threading.Event()

    def probe(peer: Peer) -> None:
        while not done.is_set():
            states[peer] = _why_absent(peer)
            done.wait(_PROBE_EVERY_S)

    for peer in peers:
        start_deaf_thread(partial(probe, peer), peer.task)
    try:
        yield lambda: {peer: state for peer, state in states.items() if state is not None}
    finally:
        done.set()


def _why_absent(peer: Peer) -> str | None:
    """`None` of a machine whose port takes a connection."""
    try:
        with socket.create_connection((peer.host, peer.port), _PROBE_TIMEOUT_S) as connection:
            return "nothing listens there" if _is_with_itself(connection) else None
    except ConnectionResetError:
        return None  # it took the connection and closed it at once, as a machine that waits does
    except socket.gaierror as error:
        return f"its name does not resolve, {error.strerror}"
    except ConnectionRefusedError:
        return "nothing listens there"
    except TimeoutError:
        return "no answer"
    except (OSError, UnicodeError) as error:
        return str(getattr(error, "strerror", None) or error)


def _is_with_itself(connection: socket.socket) -> bool:
    """Whether, by chance, a free port of this machine was connected with itself."""
    try:
        return bool(connection.getsockname() == connection.getpeername())
    except OSError:  # the other side has closed it already
        return False


@contextmanager
def _listening(own: Peer) -> Iterator[None]:
    """Takes connections where TensorFlow will listen; the port is free again at the end.

    The thread has the socket to itself: what a signal raises, it raises in the main thread, between
    any two instructions, so also between opening a socket there and keeping it.
    """
    listens: Future[None] = Future()
    done = threading.Event()

    def answer() -> None:
        try:
            server = _server(own)
        except Exception as error:  # for the main thread
            listens.set_exception(error)
            return
        with server:
            server.settimeout(0.1)
            listens.set_result(None)
            while not done.is_set():
                with suppress(OSError):
                    connection, _ = server.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    connection.close()

    thread = threading.Thread(target=answer, name="answers", daemon=True)
    try:
        start_deaf(thread)
        listens.result()
        yield
    finally:
        done.set()
        if thread.is_alive():
            thread.join()


def _server(own: Peer) -> socket.socket:
    try:
        if socket.has_dualstack_ipv6():
            with suppress(OSError):  # no IPv6 on this machine, or what the next line says
                return socket.create_server(
                    ("", own.port), family=socket.AF_INET6, dualstack_ipv6=True
                )
        return socket.create_server(("", own.port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        problem = OutageError if taken else ConfigError
        advice = "End what listens there" if taken else "Choose a port that it may use"
        raise problem(
            f"{own} of TF_CONFIG, this machine, cannot listen at its port: {error.strerror}. "
            f"{advice}, or name another in TF_CONFIG on all machines."
        ) from error

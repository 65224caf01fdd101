"""N clients at once against one model server: latencies, scans an hour, refusals, memory.

Closed loop: each client sends its next scan when it has the last answer. Open loop (`--rate`):
scans fall due at a fixed rate whatever the server does, and a latency counts from then, so that a
server that stalls cannot hide how many waited. The same mix of sizes, in the same order, whatever
the server: this machine's own, or `--server ADDRESS`.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from served import serving
from sizing import Capacity, sizing_table
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.errors import ClientError, ServerBusyError
from synthseg_common import contract

MIXES = {
    "small": {(64, 64, 64): 3, (96, 96, 96): 1},
    # A head cut to its brain, by the client's default, in three fields of view.
    "heads": {(160, 192, 160): 3, (192, 192, 160): 1, (160, 224, 192): 1},
}
PERCENTILES = (50, 90, 99)
SECONDS_AN_HOUR = 3600.0
TIMEOUT_S = 1800.0
REFUSED = RetryPolicy(attempts=1, busy_wait_s=0)


@dataclass
class Tally:
    """What came of the scans of one run.

    Attributes:
        latencies_s: From the moment that a scan was due until it was answered.
        outcomes: How many were answered, refused, or failed.
        wall_s: Time of the whole run.
        peak_mib: Most memory of the server, if it is our own.
        cpu_s: Its processor time.
    """

    latencies_s: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0
    peak_mib: float | None = None
    cpu_s: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str, latency_s: float) -> None:
        """One more scan is done with."""
        with self.lock:
            self.outcomes[outcome] += 1
            if outcome == "answered":
                self.latencies_s.append(latency_s)

    @property
    def scans_an_hour(self) -> float:
        """Answered ones."""
        return SECONDS_AN_HOUR * self.outcomes["answered"] / self.wall_s

    def row(self, name: str) -> str:
        """A line of the table."""
        spread = " / ".join(f"{percentile(self.latencies_s, p):.1f}" for p in PERCENTILES)
        memory = "" if self.peak_mib is None else f"{self.peak_mib:.0f}"
        cpu = "" if self.cpu_s is None else f"{self.cpu_s / max(1, self.outcomes['answered']):.1f}"
        return (
            f"| {name} | {self.outcomes['answered']} | {self.outcomes['refused']} "
            f"| {self.outcomes['failed']} | {spread} | {self.scans_an_hour:.0f} | {cpu} "
            f"| {memory} |"
        )


def percentile(values: Sequence[float], percent: int) -> float:
    """The least value that so many percent do not exceed; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def main() -> None:
    """Runs the loops that are asked for and prints a table, and what follows for ten thousand."""
    arguments = read_arguments()
    print("### N clients against one server\n")
    print(
        f"mix `{arguments.mix}`, {arguments.scans} scans, load average {os.getloadavg()[0]:.1f}\n\n"
        "| loop | answered | refused | failed | latency 50 / 90 / 99 % s | scans an hour "
        "| server CPU s a scan | server peak MiB |\n|---|---|---|---|---|---|---|---|"
    )
    for clients in arguments.clients:
        closed = measure(arguments, clients, None)
        print(closed.row(f"closed, {clients} clients"), flush=True)
        if arguments.rate:
            opened = measure(arguments, clients, arguments.rate)
            print(opened.row(f"open, {arguments.rate:g} an hour"), flush=True)
    if closed.outcomes["answered"]:
        print("\n" + sizing_table(capacity(closed, len(os.sched_getaffinity(0)))))


def capacity(tally: Tally, cores: int) -> Capacity:
    """What one pod does, from what was measured."""
    return Capacity(
        scans_an_hour=tally.scans_an_hour,
        cores=cores,
        cpu_s_a_scan=None if tally.cpu_s is None else tally.cpu_s / tally.outcomes["answered"],
        peak_mib=tally.peak_mib,
    )


def read_arguments() -> argparse.Namespace:
    """What the command was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", help="address; without it one is started here")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--scans", type=int, default=24, help="in each loop")
    parser.add_argument("--mix", choices=MIXES, default="small")
    parser.add_argument("--rate", type=float, help="scans an hour of the open loop")
    parser.add_argument("--no-retry", action="store_true", help="count refusals, do not come back")
    parser.add_argument("--words", nargs=argparse.REMAINDER, default=[], help="of `serve`")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, clients: int, rate: float | None) -> Tally:
    """One run against a fresh server of our own, or the one that is named."""
    tally = Tally()
    retry = REFUSED if arguments.no_retry else RetryPolicy()
    with server_of(arguments, tally) as address:
        sessions = [Session(address, timeout_s=TIMEOUT_S, retry=retry) for _ in range(clients)]
        sessions[0].describe()
        scans = list(itertools.islice(mixed(arguments.mix), arguments.scans))
        started = time.perf_counter()
        if rate is None:
            closed_loop(sessions, scans, tally)
        else:
            open_loop(sessions, scans, SECONDS_AN_HOUR / rate, tally)
        tally.wall_s = time.perf_counter() - started
        for session in sessions:
            session.close()
    return tally


@contextmanager
def server_of(arguments: argparse.Namespace, tally: Tally) -> Iterator[str]:
    """The address to ask; what our own server took goes into the tally."""
    if arguments.server:
        yield arguments.server
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), words=arguments.words) as server,
    ):
        before = server.cpu_s()
        yield server.address
        tally.cpu_s, tally.peak_mib = server.cpu_s() - before, server.peak_mib()


def mixed(name: str) -> Iterator[tuple[int, int, int]]:
    """Sizes of scans without end, the same ones in each run."""
    mix, chance = MIXES[name], random.Random(0)  # noqa: S311
    while True:
        yield chance.choices(list(mix), list(mix.values()))[0]


def send(session: Session, shape: tuple[int, int, int], due: float, tally: Tally) -> None:
    """One scan, to its answer or refusal."""
    image = np.random.default_rng(0).random(shape, np.float32)
    try:
        session.segment(image, shape, flip=True, outputs=contract.EVIDENCE)
        outcome = "answered"
    except ServerBusyError:
        outcome = "refused"
    except ClientError as error:
        print(error, file=sys.stderr)
        outcome = "failed"
    tally.note(outcome, time.perf_counter() - due)


def closed_loop(
    sessions: Sequence[Session], scans: Sequence[tuple[int, int, int]], tally: Tally
) -> None:
    """Every client sends when it has its answer."""
    left = iter(scans)
    lock = threading.Lock()

    def client(session: Session) -> None:
        while True:
            with lock:
                shape = next(left, None)
            if shape is None:
                return
            send(session, shape, time.perf_counter(), tally)

    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(client, sessions))


def open_loop(
    sessions: Sequence[Session],
    scans: Sequence[tuple[int, int, int]],
    every_s: float,
    tally: Tally,
) -> None:
    """Scans fall due by the clock; as many are on their way as it takes."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(scans)) as pool:
        for number, (shape, session) in enumerate(
            zip(scans, itertools.cycle(sessions), strict=False)
        ):
            due = begin + number * every_s
            time.sleep(max(0.0, due - time.perf_counter()))
            pool.submit(send, session, shape, due, tally)


if __name__ == "__main__":
    main()

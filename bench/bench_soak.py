"""Hours of scans at a gentle rate against one embedded server, with its memory in a table.

Scans of several sizes, now and then one that has to be refused, a client that is killed while its
scan is computed, and a crowd that the queue does not hold. Ends at `--until` or after `--minutes`;
`--verdict FILE` judges a table, also while it is still written.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from served import Server, serving
from soak_verdict import verdict
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    BadRequestError,
    ClientError,
    RequestTooLargeError,
    ServerBusyError,
)
from synthseg_common import contract

SIZES = ((96, 96, 96), (96, 128, 96), (128, 128, 128), (128, 160, 128), (160, 160, 160))
SHARES = (4, 4, 4, 2, 1)
REFUSED_EVERY, KILLED_EVERY, CROWD_EVERY = 17, 23, 61
CROWD = 14
SAMPLE_S = 10.0
MOST_AT_ONCE = 4
TIMEOUT_S = 600.0
KIB_PER_MIB = 1024
COLUMNS = (
    "time", "elapsed_s", "server_mib", "client_mib", "answered", "refused", "busy", "killed",
    "skipped", "failed", "restarts", "load",
)  # fmt: skip
ONCE = RetryPolicy(attempts=1, busy_wait_s=0)
# Sends one scan and waits; killed while it does.
_VICTIM = """
import sys, numpy as np
from synthseg_client.calls.session import Session
with Session(sys.argv[1]) as session:
    print("sent", flush=True)
    session.segment(np.ones((128,) * 3, np.float32), (128,) * 3, flip=True, outputs=("labels",))
"""


@dataclass
class Soak:
    """What happened so far."""

    server: Server
    session: Session
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    told: list[str] = field(default_factory=list)

    def count(self, what: str, line: str = "") -> None:
        """Counts one more; says the line, too."""
        with self.lock:
            self.counts[what] += 1
        if line:
            print(f"{datetime.now():%H:%M:%S} {what}: {line}", flush=True)

    def scan(self, shape: tuple[int, int, int], seed: int) -> None:
        """One scan that is answered."""
        image = np.random.default_rng(seed).random(shape, np.float32)
        try:
            answer, _ = self.session.segment(
                image, shape, flip=bool(seed % 3), outputs=contract.EVIDENCE
            )
            found = tuple(int(n) for n in answer[contract.NETWORK_SHAPE])
            expected = contract.network_grid(shape, shape)
            self.count("answered" if found == expected else "failed")
        except ClientError as error:
            self.count("failed", str(error))

    def wrong(self, seed: int) -> None:
        """One that has to be refused: too large, or no numbers."""
        image = np.ones((32, 32, 32), np.float32)
        least = (1024,) * 3 if seed % 2 else (32,) * 3
        if seed % 2 == 0:
            image[0, 0, 0] = np.nan
        try:
            self.session.segment(image, least, flip=False, outputs=(contract.LABELS,))
            self.count("failed", f"nothing refused {least}")
        except (BadRequestError, RequestTooLargeError):
            self.count("refused")
        except ClientError as error:
            self.count("failed", str(error))

    def kill_a_client(self) -> None:
        """A client that dies while its scan is computed."""
        command = [sys.executable, "-c", _VICTIM, self.server.address]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            if child.stdout:
                child.stdout.readline()
            time.sleep(1.0)
            child.kill()
        self.count("killed")

    def crowd(self) -> None:
        """More at once than the queue holds, who do not come back."""

        def one(seed: int) -> None:
            image = np.random.default_rng(seed).random((64, 64, 64), np.float32)
            with Session(self.server.address, retry=ONCE) as session:
                try:
                    session.segment(image, (64,) * 3, flip=False, outputs=(contract.LABELS,))
                    self.count("answered")
                except ServerBusyError:
                    self.count("busy")
                except ClientError as error:
                    self.count("failed", str(error))

        with ThreadPoolExecutor(CROWD) as pool:
            list(pool.map(one, range(CROWD)))


def main() -> None:
    """Soaks, or judges."""
    arguments = read_arguments()
    if arguments.verdict:
        sound, lines = verdict(arguments.verdict)
        print(lines)
        sys.exit(0 if sound else 1)
    ends = time.monotonic() + seconds_left(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as server,
        Session(server.address, timeout_s=TIMEOUT_S) as session,
    ):
        session.describe()
        soak(Soak(server, session), arguments, ends)
    sound, lines = verdict(arguments.table)
    print(lines)
    sys.exit(0 if sound else 1)


def read_arguments() -> argparse.Namespace:
    """What the command was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=Path("soak.csv"))
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--until", help="HH:MM, instead of --minutes")
    parser.add_argument("--every", type=float, default=8.0, help="seconds between scans")
    parser.add_argument("--verdict", type=Path)
    return parser.parse_args()


def seconds_left(arguments: argparse.Namespace) -> float:
    """How long to soak."""
    if not arguments.until:
        return 60 * float(arguments.minutes)
    now = datetime.now()
    clock = datetime.strptime(arguments.until, "%H:%M")
    end = now.replace(hour=clock.hour, minute=clock.minute, second=0)
    return ((end if end > now else end + timedelta(days=1)) - now).total_seconds()


def soak(state: Soak, arguments: argparse.Namespace, ends: float) -> None:
    """Sends scans until the time is over; samples memory beside that."""
    over = threading.Event()
    sampler = threading.Thread(target=sample, args=(state, arguments.table, over))
    sampler.start()
    pool = ThreadPoolExecutor(MOST_AT_ONCE)
    places = threading.Semaphore(MOST_AT_ONCE)
    chance, number = random.Random(0), 0  # noqa: S311
    try:
        while time.monotonic() < ends:
            number += 1
            due = time.monotonic() + arguments.every
            work = choose(state, number, chance)
            if places.acquire(blocking=False):
                pool.submit(work).add_done_callback(lambda _: places.release())
            else:
                state.count("skipped")
            time.sleep(max(0.0, due - time.monotonic()))
    finally:
        pool.shutdown()
        over.set()
        sampler.join()


def choose(state: Soak, number: int, chance: random.Random) -> Callable[[], None]:
    """What comes next."""
    shape = chance.choices(SIZES, SHARES)[0]
    if number % CROWD_EVERY == 0:
        return state.crowd
    if number % KILLED_EVERY == 0:
        return state.kill_a_client
    if number % REFUSED_EVERY == 0:
        return lambda: state.wrong(number // REFUSED_EVERY)
    return lambda: state.scan(shape, number)


def sample(state: Soak, table: Path, over: threading.Event) -> None:
    """Writes a row every few seconds."""
    started = time.monotonic()
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        while True:
            ended = over.wait(SAMPLE_S)
            alive = Path(f"/proc/{state.server.pid}").exists()
            if not alive:
                state.counts["restarts"] = 1
            row = dict.fromkeys(COLUMNS, 0) | dict(state.counts)
            row |= {
                "time": f"{datetime.now():%Y-%m-%dT%H:%M:%S}",
                "elapsed_s": round(time.monotonic() - started),
                "server_mib": resident_mib(state.server.pid) if alive else 0,
                "client_mib": resident_mib(os.getpid()),
                "load": round(os.getloadavg()[0], 1),
            }
            writer.writerow(row)
            file.flush()
            if ended:
                return


def resident_mib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // KIB_PER_MIB
    return 0


if __name__ == "__main__":
    main()

"""A model server of its own for a benchmark: what it used, and when it computed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from common import KIB_PER_MIB, REPOSITORY

SHARED_DATA = Path(os.environ.get("SYNTHSEG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
WHOLE_HEAD = SHARED_DATA / "scans/t1_wholehead_aseg/orig.mgz"
ORIGINAL_WEIGHTS = SHARED_DATA / "reference/models/random_v1_weights.h5"
_RAN = re.compile(r"^(\S+ \S+),(\d+) .* ran for ([\d.]+) s on")


@dataclass(frozen=True)
class Server:
    """A running server: its address, process and log."""

    address: str
    pid: int
    log: Path

    def runs(self) -> list[tuple[datetime, datetime]]:
        """Start and end of every computation so far."""
        found = [m for line in self.log.read_text().splitlines() if (m := _RAN.match(line))]
        ends = [
            datetime.strptime(m[1], "%Y-%m-%d %H:%M:%S") + timedelta(milliseconds=int(m[2]))
            for m in found
        ]
        return [(e - timedelta(seconds=float(m[3])), e) for e, m in zip(ends, found, strict=True)]

    def cpu_s(self) -> float:
        """Processor time since its start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        """Most memory that was resident since its start."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / KIB_PER_MIB


@contextmanager
def serving(
    folder: Path, model_dir: Path | None = None, words: Sequence[object] = ()
) -> Iterator[Server]:
    """Serves a model on a unix socket in `folder`; without `model_dir` the shipped one.

    Args:
        folder: For socket and log.
        model_dir: The model's base path.
        words: Further arguments of `serve`.
    """
    log, address = folder / "server.log", f"unix:{folder / 's.sock'}"
    command = [
        sys.executable,
        "-m",
        "synthseg_serving",
        "serve",
        *([model_dir] if model_dir else []),
    ]
    command += ["--address", address, "--cpu", "--verbose", *words]
    with log.open("w") as errors:
        child = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            if not child.stdout.readline():
                raise SystemExit(f"the server did not start: {log.read_text()[-2000:]}")
            yield Server(address, child.pid, log)
        finally:
            child.terminate()
            child.wait()
            child.stdout.close()


def original_model(folder: Path) -> Path:
    """The original's network of 13.2 million parameters with random weights, servable."""
    command = [sys.executable, "-m", "synthseg_serving", "import-weights", ORIGINAL_WEIGHTS]
    command += [folder / "original", "--labels", "v1"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder / "original"


def sidecar_of(labels: Path) -> dict[str, object]:
    """What the client wrote about a result."""
    return json.loads(labels.with_name(labels.name.partition(".")[0] + ".json").read_text())

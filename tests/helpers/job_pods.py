"""Pods of a Job as processes of this machine: its own command lines, killed and started again."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).resolve().parents[2] / "k8s"
_VARIABLE = re.compile(r"\$\((\w+)\)")
_LONGEST_S = 1500.0


def job_of(overlay: str) -> dict[str, Any]:
    """The Job of an overlay, as kubectl builds it."""
    command = ["kubectl", "kustomize", str(K8S / "overlays" / overlay)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    (job,) = (m for m in yaml.safe_load_all(built.stdout) if m["kind"] == "Job")
    return dict(job)


def command_of(
    job: Mapping[str, Any], values: Mapping[str, str], arguments: Mapping[str, str]
) -> list[str]:
    """What a pod runs, with variables as the kubelet puts them in.

    Args:
        job: From `job_of`.
        values: Variables that have another value than in the manifest.
        arguments: Arguments, by what they begin with, that are replaced: addresses of a cluster.
    """
    (container,) = job["spec"]["template"]["spec"]["containers"]
    told = {one["name"]: one["value"] for one in container["env"]} | dict(values)
    words = [_VARIABLE.sub(lambda found: told[found[1]], word) for word in container["args"]]
    for begin, word in arguments.items():
        (index,) = (i for i, w in enumerate(words) if w.startswith(begin))
        words[index] = word
    assert container["command"] == ["synthseg-client"]
    return [sys.executable, "-m", "synthseg_client", *words]


@dataclass
class JobRun:
    """Runs the indexes of a Job as its controller does: some at once, until all are done.

    Attributes:
        command: Of every pod.
        indexes: How many there are.
        parallelism: Pods at once.
        kills: How many pods are killed, at random moments.
        seed: Of the moments.
        logs: Where pods write what they say.
        killed: How many were.
        codes: Of pods that ended by themselves, by index.
    """

    command: list[str]
    indexes: int
    parallelism: int
    kills: int
    seed: int
    logs: Path
    killed: int = 0
    codes: dict[int, list[int]] = field(default_factory=dict)
    _running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, may_kill: Callable[[], bool], wait_s: tuple[float, float]) -> None:
        """Runs it to its end.

        Args:
            may_kill: Whether there is something to kill for, such as scans at the server.
            wait_s: Between kills, at least and at most.
        """
        draw = random.Random(self.seed)
        waiting = list(range(self.indexes))
        deadline = time.monotonic() + _LONGEST_S
        kill_at = time.monotonic() + draw.uniform(*wait_s)
        try:
            while waiting or self._running:
                assert time.monotonic() < deadline, "the Job does not end"
                while waiting and len(self._running) < self.parallelism:
                    self._start(waiting.pop(0))
                waiting += self._ended()
                now = time.monotonic()
                if self.killed < self.kills and now > kill_at and self._running and may_kill():
                    kill_at = now + draw.uniform(*wait_s)
                    index = draw.choice(sorted(self._running))
                    self._running[index].send_signal(signal.SIGKILL)
                    self.killed += 1
                time.sleep(0.05)
        finally:
            for process in self._running.values():
                process.kill()
                process.wait()

    def _start(self, index: int) -> None:
        with (self.logs / f"{index}.log").open("ab") as log:
            self._running[index] = subprocess.Popen(
                self.command,
                env={**os.environ, "JOB_COMPLETION_INDEX": str(index)},
                stdout=log,
                stderr=log,
            )

    def _ended(self) -> list[int]:
        """Indexes whose pod ended without being done: another one takes its place."""
        again = []
        for index, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[index]
            if code >= 0:
                self.codes.setdefault(index, []).append(code)
            if code != 0:
                again.append(index)
                tries = len(self.codes.get(index, []))
                assert tries < 5, (self.logs / f"{index}.log").read_text()[-2000:]
        return again

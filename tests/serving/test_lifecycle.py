"""The server as a process: ready line, clean end, death with its parent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from server_calls import TIMEOUT_S, Calls
from typed import there

COMMAND = [sys.executable, "-m", "synthseg_serving", "serve"]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command; whatever still runs at the end is killed."""
    started = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ready_line_answers_and_sigterm_ends_cleanly(
    child: Callable[..., subprocess.Popen[str]],
    model_dir: Path,
    tmp_path: Path,
    connect: Callable[[str], Calls],
) -> None:
    address = f"unix:{tmp_path}/s"
    ready_file = tmp_path / "ready.json"
    process = child(
        model_dir, "--address", address, "--cpu", "--threads", 1, "--ready-file", ready_file
    )
    line = there(process.stdout).readline()
    ready = json.loads(line)
    assert (ready["address"], ready["model"], ready["versions"]) == (address, "synthseg", [1])
    assert ready_file.read_text() == line
    calls = connect(address)
    image = np.ones((64, 64, 64), np.float32)
    request = calls.request("", ("labels",), image=image)
    future = calls.prediction.Predict.future(request, timeout=TIMEOUT_S)
    calls.status()  # Answered after it was asked, so the request before is accepted.
    process.send_signal(signal.SIGTERM)
    # Accepted before the signal, so it is finished.
    assert future.result().outputs["labels"].tensor_shape.dim[0].size == 64
    assert process.wait(TIMEOUT_S) == 0
    assert there(process.stdout).read() == ""
    assert not (tmp_path / "s").exists()


def test_sigterm_while_it_loads_ends_it_then_and_there(
    child: Callable[..., subprocess.Popen[str]], model_dir: Path, tmp_path: Path
) -> None:
    process = child(model_dir, "--address", f"unix:{tmp_path}/s", "--cpu", "--threads", 1)
    while not (tmp_path / "s").exists():  # it listens first, then it loads
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT_S) == 143
    assert there(process.stdout).read() == "", "never ready"
    assert not (tmp_path / "s").exists()


def test_dies_with_its_parent(
    model_dir: Path, tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    parent = textwrap.dedent(
        f"""
        import subprocess, sys, threading, time
        def start():
            child = subprocess.Popen(
                {[*COMMAND, str(model_dir), "--address", f"unix:{tmp_path}/s", "--parent-death"]!r},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            child.stdout.readline()
            print(child.pid, flush=True)
        # A thread that ends: the kernel then signals, although the process lives on.
        thread = threading.Thread(target=start)
        thread.start(); thread.join()
        time.sleep(600)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        pid = int(there(process.stdout).readline())
        time.sleep(1)
        assert alive(pid)
    finally:
        process.kill()
        process.communicate()
    assert eventually(lambda: not alive(pid))
    assert not (tmp_path / "s").exists()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

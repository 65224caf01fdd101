"""Servers that end themselves when nobody uses them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server_calls import TIMEOUT_S, Calls, Running, refused
from stand_in import BegunRun
from synthseg_serving.manager import State
from synthseg_serving.model_config import write_config
from synthseg_serving.server import remove_sockets, socket_ids
from synthseg_serving.versions import ModelConfig
from typed import there

ONES = np.ones((2, 2, 2), np.float32)


def test_calls_count_and_health_checks_do_not(
    start: Callable[..., Running],
    synth_config: Callable[..., ModelConfig],
    synth_dir: Path,
    begin_long_run: Callable[[Calls, Path], BegunRun],
) -> None:
    running = start(synth_config(synth_dir), waiting=5)
    calls, activity = running.calls, running.server.activity
    time.sleep(0.3)
    health_pb2_grpc.HealthStub(calls.channel).Check(
        health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S
    )
    assert activity.idle_s() >= 0.3
    calls.status()
    assert activity.idle_s() < 0.3
    run, future = begin_long_run(calls, synth_dir)
    time.sleep(0.3)
    assert activity.idle_s() == 0
    run.end()
    future.result()
    time.sleep(0.3)
    assert activity.idle_s() >= 0.3
    refused(lambda: calls.predict("none", image=ONES))
    assert activity.idle_s() < 0.3


def test_server_that_nobody_asks_ends_and_leaves_no_socket(
    model_dir: Path, tmp_path: Path, connect: Callable[..., Calls]
) -> None:
    names = ("synthseg_parcels", "synthseg")
    models = [ModelConfig(name=name, base_path=model_dir) for name in names]
    (tmp_path / "models.config").write_text(write_config(models))
    command = [sys.executable, "-m", "synthseg_serving", "serve", "--official", tmp_path]
    options = ["--on-demand", "--idle-minutes", "0.05", "--cpu", "--threads", "1"]
    address = f"unix:{tmp_path}/s"
    process = subprocess.Popen(
        [*map(str, command), *options, "--address", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = json.loads(there(process.stdout).readline())
        assert (ready["model"], ready["versions"]) == ("synthseg", [1])
        calls, end = connect(address), time.monotonic() + 6
        while time.monotonic() < end:  # twice as long as it would wait
            assert calls.status() == [(1, State.START)], "nothing is loaded"
            time.sleep(0.2)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.communicate()
    assert not (tmp_path / "s").exists()


def test_socket_of_the_server_after_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as old, socket.socket(socket.AF_UNIX) as new:
        old.bind(str(path))
        sockets = socket_ids([f"unix:{path}", "localhost:1"])
        path.rename(tmp_path / "kept")  # so that its inode is not used again
        new.bind(str(path))
        remove_sockets(sockets)
        assert path.is_socket()
        remove_sockets(socket_ids([f"unix:{path}"]))
        assert not path.exists()
        remove_sockets(sockets)

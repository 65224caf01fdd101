"""Dask on a cluster: one image, and memory that Dask sees before the kernel does."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from manifests import containers, find


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_for(url: str) -> None:
    """Until it answers, at most two minutes."""
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(url, timeout=60).close()
            return
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < end, f"{url} does not answer"
            time.sleep(0.2)


def test_dask_parts_run_one_image_and_workers_stay_below_their_memory_limit() -> None:
    scheduler, worker = containers("dask")
    assert scheduler["image"] == worker["image"]
    assert f"tcp://{find('dask', 'Service')['metadata']['name']}:8786" in worker["command"]
    (limit,) = (a.split("=")[1] for a in worker["command"] if a.startswith("--memory-limit="))
    assert int(limit.removesuffix("MiB")) < 1024 * int(
        worker["resources"]["limits"]["memory"].removesuffix("Gi")
    )


def test_probes_ask_over_http_and_leave_no_lines_in_the_log() -> None:
    for container in containers("dask"):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert f"--dashboard-address=:{ports['health']}" in container["command"]
        for probe in ("readinessProbe", "livenessProbe"):
            if probe in container:
                assert container[probe]["httpGet"] == {"path": "/health", "port": "health"}


def test_a_scheduler_without_pages_answers_the_probe_and_logs_nothing_of_it(
    tmp_path: Path,
) -> None:
    scheduler, _ = containers("dask")
    port, health = free_port(), free_port()
    log = tmp_path / "log"
    command = [
        part.replace("--port=8786", f"--port={port}").replace(":8787", f"127.0.0.1:{health}")
        for part in scheduler["command"]
    ]
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *command[2:]]
    with log.open("w") as lines:
        process = subprocess.Popen([*command, "--host=127.0.0.1"], stdout=lines, stderr=lines)
    try:
        url = f"http://127.0.0.1:{health}{scheduler['readinessProbe']['httpGet']['path']}"
        wait_for(url)
        before = log.read_text()
        assert [urllib.request.urlopen(url, timeout=60).status for _ in range(20)] == [200] * 20
        assert log.read_text() == before
    finally:
        process.terminate()
        process.wait(timeout=120)

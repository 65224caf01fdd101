"""A real S3 server, moto's, as a process of its own on a free port."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

START_S = 120.0


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: Its address, `http://127.0.0.1:port`.
        environment: Variables by which clients find it and may use it; the test has them, too.
        process: The server, for tests that stop it.
    """

    endpoint: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def make_bucket(self, name: str) -> str:
        """Makes a bucket; returns its URL."""
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            return f"s3://{name}"


@contextmanager
def s3_server(host: str = "127.0.0.1") -> Iterator[S3Server]:
    """Starts a server, and points this process and its children to it."""
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    endpoint = f"http://{host}:{port}"
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        # moto's records of what was asked grow without end.
        "MOTO_DISABLE_CALL_RECORDING": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(host, port, process)
        with mock.patch.dict(os.environ, environment):
            _forget_other_servers()
            yield S3Server(endpoint, environment, process)
    finally:
        _forget_other_servers()
        process.kill()
        process.wait()


def _forget_other_servers() -> None:
    """fsspec keeps what it opened, with the endpoint of the server that was there then."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def _wait_for(host: str, port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, port), timeout=1),
        ):
            return
        time.sleep(0.1)
    raise TimeoutError(f"no S3 server within {START_S} s, or it ended: {process.poll()}")

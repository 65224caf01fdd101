"""The page of metrics that Prometheus reads."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from synthseg_serving.errors import StartError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_STOP_S = 5.0
_LARGEST_PORT = 65535


@contextmanager
def metrics_page(address: str, registry: CollectorRegistry) -> Iterator[str]:
    """Answers `GET /metrics` while it is open; gives `host:port`.

    Args:
        address: `host:port` or a port alone, for localhost; port 0 takes a free one.
        registry: What is told.

    Raises:
        StartError: The address cannot be used.
    """
    from prometheus_client import start_http_server

    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > _LARGEST_PORT:
        raise StartError(f"{address} names no port from 0 to {_LARGEST_PORT}: give HOST:PORT.")
    host = host.strip("[]") or "localhost"
    try:
        server, thread = start_http_server(int(port), socket.gethostbyname(host), registry)
    except OSError as error:
        raise StartError(f"cannot tell metrics on {address}: {error.strerror or error}.") from error
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_STOP_S)

"""The page that Prometheus reads."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge
from synthseg_serving.errors import StartError
from synthseg_serving.watching.page import metrics_page


def test_the_page_is_there_while_it_is_open() -> None:
    registry = CollectorRegistry()
    Gauge("a", "A.", registry=registry).set(2)
    with metrics_page("0", registry) as address:
        assert address.startswith("localhost:")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as page:
            assert b"a 2.0" in page.read()
    host, _, port = address.rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 60)


@pytest.mark.parametrize("address", ["localhost:x", "localhost:70000", "-1"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with (
        pytest.raises(StartError, match=f"{address} names no port"),
        metrics_page(address, CollectorRegistry()),
    ):
        pass


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(StartError, match=f"cannot tell metrics on {address}"),
            metrics_page(address, CollectorRegistry()),
        ):
            pass

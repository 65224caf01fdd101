"""Every query of the dashboard, asked of a real Prometheus that reads running servers."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from monitoring import ask, expressions, needed, panels, prometheus
from server_calls import OPTIONS, TIMEOUT_S, Calls, Running
from synthseg_client.api import open_session
from synthseg_client.telemetry.metrics import Watched, watched
from synthseg_serving.export import export_bundle
from synthseg_serving.versions import ModelConfig
from synthseg_serving.watching.metrics import ServerMetrics
from synthseg_serving.watching.page import metrics_page
from synthseg_serving.watching.watch import Watch

OF_TF_SERVING = "TensorFlow Serving: "
PATH = "monitoring/prometheus/metrics"
OWN_PAGE_VARIABLE = "TF_SERVING_METRICS"
CONFIG = (
    Path(__file__).resolve().parents[3] / "serving/synthseg_serving/tf_serving/monitoring.config"
)
SMALL = np.arange(24**3, dtype=np.float32).reshape(24, 24, 24)


class Told:
    """What became of a scan."""

    def __init__(self, status: str, error_kind: str = "") -> None:
        self.status, self.error_kind, self.left = status, error_kind, False
        self.seconds = {"read": 0.1, "server": 1.0}


@pytest.fixture(scope="module")
def monitored(
    start: Callable[..., Running],
    model_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
    eventually: Callable[..., bool],
) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Asks Prometheus, which has read a server with traffic and its client for some seconds."""
    needed("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    file = folder / "run.prom"
    with ExitStack() as open_:
        states: dict[str, dict[int, bool]] = {"synthseg": {1: True}}
        metrics = ServerMetrics(lambda: states, 8)
        config = ModelConfig(name="synthseg", base_path=model_dir)
        running = start(config, watch=Watch(metrics))
        page = open_.enter_context(metrics_page("127.0.0.1:0", metrics.registry))
        texts = open_.enter_context(text_files(file))
        counted = open_.enter_context(watched(Watched(file=file), 3))
        assert counted is not None
        session = open_.enter_context(open_session(running.server.addresses[0]))
        targets = {"synthseg-embedded": [f"{page}/metrics"], "node": [f"{texts}/metrics"]}
        address = open_.enter_context(prometheus(targets, folder))

        def traffic() -> None:
            session.segment(SMALL, (32, 32, 32), flip=False, outputs=("labels",))
            for model in ("synthseg", "none"):
                request = running.calls.request(nothing=SMALL)
                request.model_spec.name = model
                with pytest.raises(grpc.RpcError):
                    running.calls.prediction.Predict(request, timeout=TIMEOUT_S)
            counted.scan_ended(Told("done"))  # as the batch tells
            counted.scan_ended(Told("failed", "ScanError"))
            file.write_text(text_of(counted.registry))

        file.write_text(text_of(counted.registry))
        # It looks for the first time some seconds after it is ready; what was counted before has
        # no rate.
        assert eventually(lambda: len(ask(address, "up == 1")) == len(targets), 60)
        for _ in range(4):
            traffic()
            time.sleep(1)
        yield lambda query: ask(address, query)


def text_of(registry: Any) -> str:
    from prometheus_client import generate_latest
    from synthseg_common.telemetry.meters import Labelled

    return generate_latest(Labelled(registry, {"run": "run"})).decode()


class text_files:  # noqa: N801  # used as a function
    """Answers a file as node exporter's collector of text files does; gives `host:port`."""

    def __init__(self, file: Path) -> None:
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(file.read_bytes())

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_every_query_of_the_dashboard_has_data(
    monitored: Callable[[str], list[dict[str, Any]]], eventually: Callable[..., bool]
) -> None:
    asked = 0
    for place, queries in panels().items():
        if place.startswith(OF_TF_SERVING):
            continue
        for query in queries:
            assert eventually(lambda query=query: monitored(query), 30), f"{place}: {query}"
            asked += 1
    assert asked > 20


def test_recording_rules_give_the_embedded_server_s_figures(
    monitored: Callable[[str], list[dict[str, Any]]], eventually: Callable[..., bool]
) -> None:
    for name in (n for n in expressions() if ":" in n):
        assert eventually(lambda name=name: monitored(name), 30), name
    (ratio,) = monitored("synthseg:memory:ratio")
    assert 0 < float(ratio["value"][1]) < 1
    expected = {"invalid-argument", "not-found"}

    def refused() -> set[str]:
        told = monitored("synthseg:refusals:rate5m > 0")
        return {one["metric"]["reason"] for one in told}

    assert eventually(lambda: refused() >= expected, 30)
    assert refused() == expected


@pytest.fixture(scope="module")
def tf_serving_page(
    bundle: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The metrics of a real TensorFlow Serving with traffic: `host:port/path`, and their text."""
    binary = os.environ.get("TF_SERVING_BINARY")
    address, page = os.environ.get("TF_SERVING_ADDRESS"), os.environ.get(OWN_PAGE_VARIABLE)
    if not binary and not (address and page):
        pytest.skip(
            f"no TF Serving: set TF_SERVING_BINARY, or TF_SERVING_ADDRESS and {OWN_PAGE_VARIABLE} "
            f"(HOST:PORT/{PATH})"
        )
    with ExitStack() as open_:
        if binary:
            models = tmp_path_factory.mktemp("tfs") / "synthseg"
            export_bundle(bundle, models)
            port = 18501
            words = [binary, "--port=18500", f"--rest_api_port={port}", "--model_name=synthseg"]
            words += [f"--model_base_path={models}", f"--monitoring_config_file={CONFIG}"]
            child = subprocess.Popen(words)
            open_.callback(child.wait, TIMEOUT_S)
            open_.callback(child.terminate)
            address, page = "localhost:18500", f"localhost:{port}/{PATH}"
        channel = grpc.insecure_channel(str(address), OPTIONS)
        open_.callback(channel.close)
        grpc.channel_ready_future(channel).result(TIMEOUT_S)
        calls = Calls(channel, "synthseg")
        calls.await_states({1: 30})
        calls.predict("describe")
        with pytest.raises(grpc.RpcError):
            calls.predict(nothing=SMALL)
        with urllib.request.urlopen(f"http://{page}", timeout=60) as answer:
            yield str(page), answer.read().decode()


def test_tensorflow_serving_tells_what_rules_and_dashboard_read(
    tf_serving_page: tuple[str, str],
    tmp_path: Path,
    eventually: Callable[..., bool],
) -> None:
    page, text = tf_serving_page
    for series in (
        ':tensorflow:serving:request_count{model_name="synthseg",status="OK"}',
        ':tensorflow:serving:request_count{model_name="synthseg",status="INVALID_ARGUMENT"}',
        ':tensorflow:serving:request_latency_count{model_name="synthseg",API="Predict"',
        ':tensorflow:serving:runtime_latency_sum{model_name="synthseg"',
    ):
        assert series in text
    needed("prometheus")
    with prometheus({"synthseg-serving": [page]}, tmp_path) as address:
        for name in ("synthseg:answers:rate5m", "synthseg:refusals:rate5m"):
            assert eventually(lambda name=name: ask(address, name), 60), name
        for place, queries in panels().items():
            if place.startswith(OF_TF_SERVING) and "Memory" not in place:
                for query in queries:
                    assert eventually(lambda query=query: ask(address, query), 60), place

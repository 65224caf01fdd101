"""Predictions of a running server, watched: counted, logged, and part of the caller's trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from server_calls import ONES, TIMEOUT_S, Calls, Running
from synthseg_common import contract
from synthseg_common.telemetry import trace
from synthseg_common.telemetry.log import json_log
from synthseg_serving.versions import ModelConfig
from synthseg_serving.watching.metrics import ServerMetrics
from synthseg_serving.watching.watch import Watch

PARENT = trace.new_trace()


@pytest.fixture(scope="module")
def metrics() -> ServerMetrics:
    return ServerMetrics(dict, 0)


@pytest.fixture(scope="module")
def watched(
    start: Callable[..., Running],
    synth_dir: Path,
    synth_config: Callable[..., ModelConfig],
    metrics: ServerMetrics,
) -> Calls:
    return start(synth_config(synth_dir), watch=Watch(metrics), waiting=0).calls


def ask(calls: Calls, model: str = "synth", **inputs: Any) -> Any:
    request = calls.request(SIGNATURE, **inputs)
    request.model_spec.name = model
    pairs = ((trace.HEADER, PARENT.header()),)
    return calls.prediction.Predict(request, timeout=TIMEOUT_S, metadata=pairs)


SIGNATURE = "serving_default"


def test_a_prediction_is_counted_and_told_with_the_caller_s_trace(
    watched: Calls, metrics: ServerMetrics, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[trace.Span] = []
    with json_log("serve", names=False, texts=True), trace.listening(heard.append):
        ask(watched, image=ONES)
        with pytest.raises(grpc.RpcError):
            ask(watched, image=ONES, other=ONES)
        with pytest.raises(grpc.RpcError):
            ask(watched, model="Doe_Jane", image=ONES)
        watched.status()
    told = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line[0] == "{"]
    good, refused, unknown = [line for line in told if line["event"] == "request"]
    assert {line["trace_id"] for line in (good, refused, unknown)} == {PARENT.trace_id}
    assert (good["code"], good["voxels"], good["version"]) == ("OK", 8, 2)
    assert set(good["stages"]) == {"decode", "queue", "predict", "encode"}
    assert (refused["code"], refused["reason"]) == ("INVALID_ARGUMENT", "invalid-argument")
    assert (unknown["code"], unknown["model"]) == ("NOT_FOUND", ""), "callers may write anything"
    spans = [span for span in heard if span.name == "Predict"]
    assert {span.parent for span in spans} == {PARENT}
    assert [span.error for span in spans] == ["", "INVALID_ARGUMENT", "NOT_FOUND"]
    stages = {span.name for span in heard if span.parent == spans[0].context}
    assert stages == {"decode", "queue", "predict", "encode"}
    value = metrics.registry.get_sample_value
    of_good = {"model": "synth", "signature": SIGNATURE}
    assert value("synthseg_requests_total", {**of_good, "code": "OK"}) == 1
    assert value("synthseg_voxels_total", {"model": "synth"}) == 8
    assert value("synthseg_refusals_total", {"reason": "not-found"}) == 1


def test_a_full_queue_is_a_reason_and_what_runs_is_in_flight(
    watched: Calls,
    metrics: ServerMetrics,
    synth_dir: Path,
    begin_long_run: Callable[..., Any],
    eventually: Callable[..., bool],
) -> None:
    value = metrics.registry.get_sample_value
    run, future = begin_long_run(watched, synth_dir)
    assert value("synthseg_requests_in_flight", {"stage": "predict"}) == 1
    with pytest.raises(grpc.RpcError):
        ask(watched, image=ONES)
    assert value("synthseg_refusals_total", {"reason": contract.QUEUE_FULL}) == 1
    run.end()
    future.result(TIMEOUT_S)
    assert eventually(lambda: value("synthseg_requests_in_flight", {"stage": "predict"}) == 0)

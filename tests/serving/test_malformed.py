"""Bytes that are no message: the caller's mistake, one line in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from log_records import without_dask
from server_calls import OPTIONS, Calls, Running, refused, send_bytes, stream_bytes
from synthseg_serving.malformed import MalformedRequests
from synthseg_serving.versions import ModelConfig

PREDICTION, MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
METHODS = [
    f"/{PREDICTION}/Predict",
    f"/{PREDICTION}/GetModelMetadata",
    f"/{PREDICTION}/Classify",
    f"/{MODEL}/GetModelStatus",
    f"/{MODEL}/HandleReloadConfigRequest",
    "/grpc.health.v1.Health/Check",
]
WATCH = "/grpc.health.v1.Health/Watch"
# A field of 127 bytes that ends at once; a group without end; text that is not UTF-8.
NO_MESSAGES = [b"\x0a\x7f", b"\x0b" * 50, b"\xff" * 1000]


@pytest.fixture
def calls(start: Callable[..., Running], model_dir: Path) -> Calls:
    """A server of the test's own, whose first malformed request is told."""
    return start(ModelConfig(name="synthseg", base_path=model_dir)).calls


def outcome(calls: Calls, method: str, data: bytes) -> tuple[str, str]:
    if method == WATCH:
        return refused(lambda: list(stream_bytes(calls.channel, method, data)))
    return refused(lambda: send_bytes(calls.channel, method, data))


def test_they_are_invalid_arguments_told_in_one_line(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for method in [*METHODS, WATCH]:
        for data in NO_MESSAGES:
            code, details = outcome(calls, method, data)
            assert code == "INVALID_ARGUMENT", method
            assert f"the {len(data)} bytes of this request are no message that {method}" in details
    (record,) = [r for r in caplog.records if "no message" in r.message]
    assert "1 requests were no message so far; the last had 2 bytes, for" in record.message
    assert "Traceback" not in caplog.text
    assert all(r.exc_info is None for r in caplog.records)
    assert calls.status() == [(1, 30)]


def test_they_are_counted_until_the_end(
    start: Callable[..., Running], model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = start(ModelConfig(name="synthseg", base_path=model_dir))
    for _ in range(4):
        outcome(running.calls, METHODS[0], b"\x0a\x7f")
    running.server.stop(0)
    assert "3 more requests were no message; 4 in all" in caplog.text


def test_each_is_told_where_there_is_time_between_them(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    malformed = MalformedRequests(log_every_s=0)
    server = grpc.server(ThreadPoolExecutor(1), interceptors=[malformed])
    handler = grpc.unary_unary_rpc_method_handler(lambda text, _: text, bytes.decode, str.encode)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", {"M": handler}),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    server.start()
    with grpc.insecure_channel(f"unix:{tmp_path}/s", OPTIONS) as channel:
        calls = Calls(channel, "")
        for _ in range(2):
            assert outcome(calls, "/s/M", b"\xff")[0] == "INVALID_ARGUMENT"
        assert send_bytes(channel, "/s/M", b"text") == b"text"
    server.stop(None).wait()
    malformed.report()
    assert [r.message.split(";")[0] for r in without_dask(caplog)] == [
        "1 requests were no message so far",
        "2 requests were no message so far",
    ]


def test_health_is_watched_as_before(calls: Calls) -> None:
    stream = stream_bytes(calls.channel, WATCH, b"")
    assert next(stream) == bytes.fromhex("0801")
    stream.cancel()


@pytest.mark.parametrize("method", ["Classify", "Regress", "MultiInference"])
def test_methods_that_are_not_served_are_unimplemented_without_a_traceback(
    calls: Calls, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert outcome(calls, f"/{PREDICTION}/{method}", b"")[0] == "UNIMPLEMENTED"
    assert all(r.exc_info is None for r in caplog.records)

"""Spans and metrics, as a collector receives them over HTTP."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections import defaultdict
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from synthseg_common.telemetry import trace
from synthseg_common.telemetry.otlp import exporting

KINDS: dict[str, type[Message]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Message]]]:
    """What comes to a collector that the environment names, by path."""
    found: dict[str, list[Message]] = defaultdict(list)

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found[self.path].append(KINDS[self.path].FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        yield found
        server.shutdown()


def test_spans_and_metrics_arrive_as_they_were_told(received: dict[str, list[Message]]) -> None:
    registry = CollectorRegistry()
    Counter("scans", "Scans.", ["status"], registry=registry).labels("done").inc(3)
    Gauge("waiting", "Waiting.", registry=registry).set(2)
    steps = Histogram("step_seconds", "Steps.", buckets=(1, 2), registry=registry)
    for seconds in (0.5, 1.5, 1.75, 9):
        steps.observe(seconds)
    with (
        exporting("synthseg-client", registry),
        trace.span("scan", voxels=8) as outer,
        trace.span("Predict", "client") as inner,
    ):
        pass

    (sent,) = received["/v1/traces"]
    assert isinstance(sent, ExportTraceServiceRequest)
    (resource,) = sent.resource_spans
    names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert names["service.name"] == "synthseg-client"
    first, second = resource.scope_spans[0].spans
    assert inner.context is not None
    assert outer.context is not None
    assert (first.name, first.kind) == ("Predict", first.SPAN_KIND_CLIENT)
    assert first.trace_id.hex() == second.trace_id.hex() == outer.context.trace_id
    assert first.span_id.hex() == inner.context.span_id
    assert first.parent_span_id == second.span_id
    assert second.attributes[0].value.int_value == 8

    last = received["/v1/metrics"][-1]
    assert isinstance(last, ExportMetricsServiceRequest)
    metrics = {m.name: m for m in last.resource_metrics[0].scope_metrics[0].metrics}
    (scans,) = metrics["scans_total"].sum.data_points
    assert (scans.as_double, scans.attributes[0].value.string_value) == (3, "done")
    assert metrics["scans_total"].sum.is_monotonic
    assert metrics["waiting"].gauge.data_points[0].as_double == 2
    (point,) = metrics["step_seconds"].histogram.data_points
    assert list(point.bucket_counts) == [1, 2, 1]
    assert list(point.explicit_bounds) == [1, 2]
    assert (point.count, point.sum) == (4, 12.75)


def test_a_collector_that_is_not_there_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with exporting("synthseg-client", CollectorRegistry()), trace.span("scan"):
        pass

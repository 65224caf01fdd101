"""Spans and metrics to an OpenTelemetry collector by OTLP; needs the extra `telemetry`.

Where to, how often and with which credentials is read from OpenTelemetry's own variables
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_RESOURCE_ATTRIBUTES`, ...).
Metrics are those of a Prometheus registry: each is told once, and pushed or read.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from synthseg_common.telemetry import trace
from synthseg_common.telemetry.extra import need_telemetry
from synthseg_common.telemetry.meters import package_version

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric as SentMetric
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

_INTERVAL_MS = 60_000
_LAST_WORDS_MS = 5_000
"""How long the end of a command waits for a collector that does not answer."""
_GRPC = "grpc"
_SCOPE = "synthseg"


@contextmanager
def exporting(service: str, registry: CollectorRegistry) -> Iterator[None]:
    """While it is open, spans and the registry's metrics go to the collector.

    A collector that does not answer delays nothing but the end, by some seconds.

    Args:
        service: Name of this program there; `OTEL_SERVICE_NAME` overrides it.
        registry: Whose metrics are sent.

    Raises:
        MissingTelemetryError: The extra is not installed.
    """
    need_telemetry("--otlp")
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = os.environ.get("OTEL_SERVICE_NAME") or service
    resource = Resource.create({"service.name": named, "service.version": package_version()})
    spans, metrics = _exporters()
    processor = BatchSpanProcessor(spans)
    ended = threading.Event()
    sender = threading.Thread(
        target=_send_metrics, args=(registry, resource, metrics, ended), daemon=True, name="otlp"
    )
    sender.start()
    try:
        with trace.listening(lambda span: processor.on_end(_as_sent(span, resource))):
            yield
    finally:
        ended.set()
        sender.join(2 * _LAST_WORDS_MS / 1000)
        processor.force_flush(_LAST_WORDS_MS)
        last = threading.Thread(target=processor.shutdown, daemon=True)
        last.start()
        last.join(_LAST_WORDS_MS / 1000)


def _exporters() -> tuple[Any, Any]:
    """What sends spans and what sends metrics, by the protocol that the environment asks for."""
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf") == _GRPC:
        from opentelemetry.exporter.otlp.proto.grpc import metric_exporter, trace_exporter

        return trace_exporter.OTLPSpanExporter(), metric_exporter.OTLPMetricExporter()
    from opentelemetry.exporter.otlp.proto.http import metric_exporter as metrics
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as traces

    return traces.OTLPSpanExporter(), metrics.OTLPMetricExporter()


def _send_metrics(
    registry: CollectorRegistry, resource: Resource, exporter: Any, ended: threading.Event
) -> None:
    """Sends what a registry holds, time and again and at the end."""
    started_ns = time.time_ns()
    every_s = int(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", _INTERVAL_MS)) / 1000
    while not ended.wait(every_s):
        exporter.export(snapshot(registry, resource, started_ns))
    exporter.export(snapshot(registry, resource, started_ns), timeout_millis=_LAST_WORDS_MS)
    exporter.shutdown(timeout_millis=_LAST_WORDS_MS)


def snapshot(registry: CollectorRegistry, resource: Resource, started_ns: int) -> Any:
    """What a registry holds now, as OpenTelemetry's `MetricsData`.

    Args:
        registry: With counters, gauges, histograms and infos.
        resource: Who tells it.
        started_ns: Since when counters count, in ns since 1970.
    """
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    span_ns = (started_ns, time.time_ns())
    sent = [_as_metric(metric, span_ns) for metric in registry.collect()]
    scope = ScopeMetrics(InstrumentationScope(_SCOPE), [m for m in sent if m is not None], "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _as_metric(metric: Metric, span_ns: tuple[int, int]) -> SentMetric | None:
    from opentelemetry.sdk.metrics import export as sdk

    # Prometheus clients add when each series began, which OTLP says beside every point.
    samples = [s for s in metric.samples if not s.name.endswith("_created")]
    if not samples:
        return None
    cumulative = sdk.AggregationTemporality.CUMULATIVE
    data: Any
    if metric.type == "histogram":
        data = sdk.Histogram(_histograms(samples, span_ns), cumulative)
    else:
        points = [sdk.NumberDataPoint(s.labels, *span_ns, s.value) for s in samples]
        is_count = metric.type == "counter"
        data = sdk.Sum(points, cumulative, is_monotonic=True) if is_count else sdk.Gauge(points)
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return sdk.Metric(name, metric.documentation, metric.unit, data)


def _histograms(samples: Sequence[Sample], span_ns: tuple[int, int]) -> list[Any]:
    """One point for each set of labels, its buckets counted apart from each other."""
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    series: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in samples:
        labels = {key: value for key, value in sample.labels.items() if key != "le"}
        found = series.setdefault(tuple(labels.items()), {"labels": labels, "buckets": []})
        if sample.name.endswith("_bucket"):
            found["buckets"].append((float(sample.labels["le"]), int(sample.value)))
        elif sample.name.endswith("_sum"):
            found["sum"] = sample.value
    points = []
    for found in series.values():
        bounds, counts = zip(*found["buckets"], strict=True)
        apart = [b - a for a, b in zip((0, *counts), counts, strict=False)]
        unknown = float("nan")  # of the least and the largest value
        counted: Any = (counts[-1], found["sum"], apart, bounds[:-1], unknown, unknown)
        points.append(HistogramDataPoint(found["labels"], *span_ns, *counted))
    return points


def _as_sent(span: trace.Span, resource: Resource) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanKind, Status, StatusCode

    status = Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET)
    return ReadableSpan(
        span.name,
        context=_ids(span.context),
        parent=_ids(span.parent),
        resource=resource,
        attributes=span.attributes,
        kind=SpanKind[span.kind.upper()],
        status=status,
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope(_SCOPE),
    )


def _ids(context: trace.TraceContext | None) -> SpanContext | None:
    from opentelemetry.trace import SpanContext, TraceFlags

    if context is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), False, flags)

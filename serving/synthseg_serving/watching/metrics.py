"""Metrics of the embedded server, read over HTTP by Prometheus; needs the extra `telemetry`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from synthseg_common import contract

from synthseg_serving.watching.calls import STAGES, Call

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

States = Callable[[], dict[str, dict[int, bool]]]
"""Whether each version of each model answers requests."""
_NOT_STAGED = "other"
# Told from the beginning: Prometheus sees no increase in a series that begins above zero.
_USUAL_REASONS = (
    *(contract.QUEUE_FULL, contract.MEMORY_FULL, contract.TOO_LARGE),
    *("deadline-exceeded", "invalid-argument"),
)


class ServerMetrics:
    """Counts requests.

    Attributes:
        registry: Holds the figures.
    """

    def __init__(self, states: States, waiting: int) -> None:
        """Starts at zero.

        Args:
            states: Asked at each look.
            waiting: Requests that may wait.
        """
        from prometheus_client import Counter, Gauge, Histogram
        from synthseg_common.telemetry.meters import STAGE_BUCKETS_S, new_registry

        self.registry: CollectorRegistry = new_registry("synthseg")
        own: dict[str, Any] = {"registry": self.registry, "namespace": "synthseg"}
        self._requests = Counter(
            *("requests", "Predictions answered or refused, by gRPC code."),
            ["model", "signature", "code"],
            **own,
        )
        self._refusals = Counter("refusals", "Refused predictions by reason.", ["reason"], **own)
        for reason in _USUAL_REASONS:
            self._refusals.labels(reason)
        self._seconds = Histogram(
            *("request_seconds", "Wall time of answered predictions, waiting included."),
            ["model", "signature"],
            buckets=STAGE_BUCKETS_S,
            **own,
        )
        self._stages = Histogram(
            *("stage_seconds", "Wall time of the parts of a prediction."),
            ["model", "stage"],
            buckets=STAGE_BUCKETS_S,
            **own,
        )
        self._in_flight = Gauge(
            "requests_in_flight", "Predictions without an answer yet, by stage.", ["stage"], **own
        )
        for name in (*STAGES, _NOT_STAGED):
            self._in_flight.labels(name)
        self._voxels = Counter("voxels", "Voxels of answered volumes.", ["model"], **own)
        Gauge("queue_limit", "Requests that may wait.", **own).set(waiting)
        self.registry.register(_Models(states))

    def began(self, call: Call) -> None:
        """A request has come."""
        at = _NOT_STAGED
        self._in_flight.labels(at).inc()

        def move(stage: str) -> None:
            nonlocal at
            self._in_flight.labels(at).dec()
            at = stage or _NOT_STAGED
            self._in_flight.labels(at).inc()

        call.moved = move

    def ended(self, call: Call, code: str, reason: str, seconds: float) -> None:
        """It is answered, or refused."""
        call.moved("")
        self._in_flight.labels(_NOT_STAGED).dec()
        self._requests.labels(call.model, call.signature, code).inc()
        if code != "OK":
            self._refusals.labels(reason).inc()
            return
        self._seconds.labels(call.model, call.signature).observe(seconds)
        self._voxels.labels(call.model).inc(call.voxels)
        for name, spent_s in call.seconds.items():
            self._stages.labels(call.model, name).observe(spent_s)


class _Models:
    """Which models answer, asked at each look."""

    def __init__(self, states: States) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        """Called for each look."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        told = "1 where this version answers requests, 0 where it was seen and does not."
        metric = GaugeMetricFamily("synthseg_model_available", told, labels=["model", "version"])
        for model, versions in self._states().items():
            for version, is_there in versions.items():
                metric.add_metric([model, str(version)], float(is_there))
        yield metric

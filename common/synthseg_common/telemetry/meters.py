"""A registry of metrics with what every program of ours tells; needs the extra `telemetry`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from synthseg_common.memory import free_bytes, memory_limit

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

STAGE_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
"""From a label table to a scan on a slow machine, in seconds."""


def new_registry(prefix: str) -> CollectorRegistry:
    """A registry with the version, and with what the process and its control group use.

    Args:
        prefix: Of the names of our own metrics, as `synthseg`.
    """
    from prometheus_client import CollectorRegistry, Info, ProcessCollector, disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of when it began
    registry = CollectorRegistry()
    ProcessCollector(namespace=prefix, registry=registry)
    Info(f"{prefix}_build", "Version of this program.", registry=registry).info(
        {"version": package_version()}
    )
    registry.register(_Memory(prefix))
    return registry


def package_version() -> str:
    """Version of what is installed, or `unknown` where it runs from its sources."""
    try:
        return version("synthseg-serving")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Labelled:
    """A registry all of whose series carry some labels more.

    Attributes:
        registry: Holds them.
        labels: To add.
    """

    registry: CollectorRegistry
    labels: Mapping[str, str]

    def collect(self) -> Iterator[Metric]:
        """Called for each look."""
        for metric in self.registry.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, **self.labels})
                for sample in metric.samples
            ]
            yield metric


class _Memory:
    """What the process may use, and what its control group has left, read when asked."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def collect(self) -> Iterator[Metric]:
        """Called for each look."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        limit, free = memory_limit(), free_bytes()
        if limit is not None:
            name = f"{self._prefix}_memory_limit_bytes"
            text = "Memory that this process may use: of its control group, else of the machine."
            yield GaugeMetricFamily(name, text, limit.size_bytes)
        if free is not None:
            name = f"{self._prefix}_memory_free_bytes"
            text = "What is left of it, what others in the group hold and caches taken off."
            yield GaugeMetricFamily(name, text, free)

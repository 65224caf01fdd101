"""What is watched of a server that the command starts: as much as it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from synthseg_common.telemetry.extra import need_telemetry
from synthseg_common.telemetry.log import active, emit

from synthseg_serving.watching.metrics import ServerMetrics, States
from synthseg_serving.watching.watch import Watch


class Watching:
    """A server's watch, from before it starts.

    Attributes:
        interceptor: For the server; None where nobody watches.
        address: Where metrics are read; empty if nowhere.
    """

    def __init__(self) -> None:
        self.interceptor: Watch | None = None
        self.address = ""
        self._states: States = dict

    def states(self) -> dict[str, dict[int, bool]]:
        """Which models answer; none while the server starts."""
        return self._states()

    def tell_of(self, states: States) -> None:
        """Takes the models, once there are any."""
        self._states = states

    def announce(self, addresses: Sequence[str]) -> None:
        """Tells a log in JSON that the server is ready."""
        answering = {
            model: [version for version, is_there in versions.items() if is_there]
            for model, versions in self.states().items()
        }
        emit(
            "server.ready",
            addresses=list(addresses),
            models=answering,
            metrics_address=self.address,
        )


@contextmanager
def watched(metrics_address: str | None, *, otlp: bool, waiting: int) -> Iterator[Watching]:
    """While it is open, a server may be watched.

    Args:
        metrics_address: Where Prometheus may read; None for nowhere.
        otlp: Whether spans and metrics go to an OpenTelemetry collector.
        waiting: Requests that may wait.

    Raises:
        MissingTelemetryError: The extra is not installed.
        StartError: The address cannot be used.
    """
    watching = Watching()
    with ExitStack() as open_:
        if metrics_address or otlp:
            need_telemetry("--metrics-address" if metrics_address else "--otlp")
            metrics = ServerMetrics(watching.states, waiting)
            watching.interceptor = Watch(metrics)
            if metrics_address:
                from synthseg_serving.watching.page import metrics_page

                page = metrics_page(metrics_address, metrics.registry)
                watching.address = open_.enter_context(page)
            if otlp:
                from synthseg_common.telemetry.otlp import exporting

                open_.enter_context(exporting("synthseg-serving", metrics.registry))
        elif active() is not None:
            watching.interceptor = Watch()
        yield watching

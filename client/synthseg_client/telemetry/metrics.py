"""Metrics of a batch, for a file that node exporter reads, and for a collector."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from synthseg_common.telemetry.extra import need_telemetry

from synthseg_client.errors import OutputError, UsageError
from synthseg_client.telemetry.calls import watching

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_ENDING = ".prom"
_WRITE_EVERY_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Where metrics go.

    Attributes:
        file: Text file, for node exporter's collector of such files; None writes none.
        otlp: Whether spans and metrics go to an OpenTelemetry collector.
    """

    file: Path | None = None
    otlp: bool = False

    def __post_init__(self) -> None:
        if self.file is not None and self.file.suffix != _ENDING:
            raise UsageError(f"--metrics-file {self.file}: expected a name that ends in {_ENDING}.")


class Told(Protocol):
    """What became of a scan, as far as metrics tell it."""

    @property
    def status(self) -> str:
        """`done`, `skipped` or `failed`."""

    @property
    def left(self) -> bool:
        """Whether it failed for want of a server."""

    @property
    def error_kind(self) -> str:
        """Class of the error; empty without one."""

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time by step."""


class ClientMetrics:
    """Counts scans and calls.

    Attributes:
        registry: Holds the figures.
    """

    def __init__(self, scans: int) -> None:
        from prometheus_client import Counter, Gauge, Histogram
        from synthseg_common.telemetry.meters import STAGE_BUCKETS_S, new_registry

        self.registry: CollectorRegistry = new_registry("synthseg_client")
        own: dict[str, Any] = {"registry": self.registry, "namespace": "synthseg_client"}
        self._planned = Gauge("scans_planned", "Scans of this run.", **own)
        self._planned.set(scans)
        self._scans = Counter("scans", "Scans by what became of them.", ["status"], **own)
        for status in ("done", "skipped", "failed", "left"):
            self._scans.labels(status)
        self._failures = Counter("failures", "Failed scans by error.", ["error_kind"], **own)
        self._stages = Histogram(
            *("stage_seconds", "Wall time of the steps of a scan."),
            ["stage"],
            buckets=STAGE_BUCKETS_S,
            **own,
        )
        self._requests = Counter("requests", "Calls to the server by answer.", ["code"], **own)
        self._in_flight = Gauge("requests_in_flight", "Calls without an answer yet.", **own)
        told = "Answers that are wanted, also while the server is away and no call is under way."
        self._awaited = Gauge("answers_awaited", told, **own)
        self._voxels = Counter("voxels", "Voxels sent and answered.", **own)
        written = Gauge("written_timestamp_seconds", "When these figures were told.", **own)
        written.set_function(time.time)
        self._last = Gauge("last_scan_timestamp_seconds", "When a scan was done last.", **own)

    def wait_began(self) -> None:
        """An answer is wanted."""
        self._awaited.inc()

    def wait_ended(self) -> None:
        """It has come, or is given up."""
        self._awaited.dec()

    def call_began(self) -> None:
        """A call is sent."""
        self._in_flight.inc()

    def call_ended(self, code: str, seconds: float, voxels: int) -> None:
        """It has an answer, or an error."""
        self._in_flight.dec()
        self._requests.labels(code).inc()
        if code == "OK":
            self._voxels.inc(voxels)

    def scan_ended(self, outcome: Told) -> None:
        """A scan is through."""
        self._scans.labels("left" if outcome.left else outcome.status).inc()
        if outcome.error_kind:
            self._failures.labels(outcome.error_kind).inc()
        self._note(outcome.seconds)
        if outcome.status == "done":
            self._last.set_to_current_time()

    def _note(self, seconds: Mapping[str, float]) -> None:
        for stage, spent_s in seconds.items():
            self._stages.labels(stage).observe(spent_s)


@contextmanager
def watched(where: Watched, scans: int) -> Iterator[ClientMetrics | None]:
    """While it is open, a batch is counted; gives None where nobody asked for it.

    Args:
        where: Where metrics go.
        scans: How many there are.

    Raises:
        MissingTelemetryError: The extra is not installed.
        OutputError: The file cannot be written, at the beginning or at the end.
    """
    if where.file is None and not where.otlp:
        yield None
        return
    need_telemetry("--metrics-file" if where.file else "--otlp")
    metrics = ClientMetrics(scans)
    with ExitStack() as open_:
        open_.enter_context(watching(metrics))
        if where.file is not None:
            open_.enter_context(_kept_up(where.file, metrics.registry))
        if where.otlp:
            from synthseg_common.telemetry.otlp import exporting

            open_.enter_context(exporting("synthseg-client", metrics.registry))
        yield metrics


@contextmanager
def _kept_up(file: Path, registry: CollectorRegistry) -> Iterator[None]:
    """Writes a file at once, from time to time, and at the end."""
    _write(file, registry)
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(_WRITE_EVERY_S):
            try:
                _write(file, registry)
            except OutputError:
                return  # the end of the command says so

    writer = threading.Thread(target=go_on, daemon=True, name="metrics")
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join(_WRITE_EVERY_S)
    _write(file, registry)


def _write(file: Path, registry: CollectorRegistry) -> None:
    from prometheus_client import generate_latest
    from synthseg_common.files import write_text
    from synthseg_common.telemetry.meters import Labelled

    # Node exporter takes no series twice, and other runs may write beside this one.
    write_text(file, generate_latest(Labelled(registry, {"run": file.stem})).decode())

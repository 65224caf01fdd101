"""Metrics of a batch, in the file that node exporter reads."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from synthseg_client.errors import OutputError, UsageError
from synthseg_client.telemetry.calls import observed
from synthseg_client.telemetry.metrics import Watched, watched
from synthseg_common.telemetry.extra import MissingTelemetryError


@dataclass
class End:
    """What became of a scan."""

    status: str
    left: bool = False
    error_kind: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def test_the_file_tells_scans_steps_and_calls(tmp_path: Path) -> None:
    file = tmp_path / "batch.prom"
    with watched(Watched(file=file), 4) as metrics:
        assert metrics is not None
        assert 'scans_planned{run="batch"} 4.0' in file.read_text(), "from the beginning"
        with observed("/a/Predict", 1000):
            assert metrics.registry.get_sample_value("synthseg_client_requests_in_flight") == 1
        metrics.scan_ended(End("done", seconds={"read": 0.1, "server": 4}))
        metrics.scan_ended(End("failed", error_kind="ScanError"))
        metrics.scan_ended(End("failed", left=True, error_kind="ServerGoneError"))
    page = file.read_text()
    for series in (
        'scans_total{run="batch",status="done"} 1.0',
        'scans_total{run="batch",status="failed"} 1.0',
        'scans_total{run="batch",status="left"} 1.0',
        'failures_total{error_kind="ScanError",run="batch"} 1.0',
        'requests_total{code="OK",run="batch"} 1.0',
        'voxels_total{run="batch"} 1000.0',
        'requests_in_flight{run="batch"} 0.0',
        'stage_seconds_sum{run="batch",stage="server"} 4.0',
    ):
        assert f"synthseg_client_{series}\n" in page
    assert list(tmp_path.iterdir()) == [file], "nothing half-written"


def test_nothing_is_counted_where_nobody_asked() -> None:
    with watched(Watched(), 4) as metrics:
        assert metrics is None


def test_what_cannot_be_is_refused_before_any_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"--metrics-file m\.txt: expected .* \.prom"):
        Watched(file=Path("m.txt"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), watched(Watched(file=tmp_path / "file" / "m.prom"), 1):
        pass
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingTelemetryError), watched(Watched(file=tmp_path / "m.prom"), 1):
        pass

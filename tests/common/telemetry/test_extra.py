"""What is said where the extra is missing."""

from __future__ import annotations

import sys

import pytest
from synthseg_common.telemetry.extra import MissingTelemetryError, need_telemetry


def test_the_extra_is_named_where_a_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    need_telemetry("--otlp")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingTelemetryError, match=r"--otlp.*synthseg-serving\[telemetry\]"):
        need_telemetry("--otlp")

"""What is watched of a server that the command starts."""

from __future__ import annotations

import json
import sys
import urllib.request

import pytest
from synthseg_common.telemetry.extra import MissingTelemetryError
from synthseg_common.telemetry.log import json_log
from synthseg_serving.watching.start import watched


def test_nobody_watches_unless_asked() -> None:
    with watched(None, otlp=False, waiting=8) as watching:
        assert watching.interceptor is None


def test_a_log_in_json_watches_without_metrics(capfd: pytest.CaptureFixture[str]) -> None:
    with json_log("serve", names=False, texts=True), watched(None, otlp=False, waiting=8) as it:
        assert it.interceptor is not None
        assert it.interceptor.metrics is None
        it.tell_of(lambda: {"m": {1: False, 2: True}})
        it.announce(["localhost:1"])
    (ready,) = (json.loads(line) for line in capfd.readouterr().err.splitlines())
    assert (ready["event"], ready["models"]) == ("server.ready", {"m": [2]})


def test_metrics_are_there_before_the_models_are() -> None:
    with watched("localhost:0", otlp=False, waiting=8) as watching:
        address = f"http://{watching.address}/metrics"
        with urllib.request.urlopen(address, timeout=60) as page:
            assert b"synthseg_model_available{" not in page.read()
        watching.tell_of(lambda: {"m": {1: True}})
        with urllib.request.urlopen(address, timeout=60) as page:
            assert b'synthseg_model_available{model="m",version="1"} 1.0' in page.read()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with (
        pytest.raises(MissingTelemetryError, match="--metrics-address"),
        watched("0", otlp=False, waiting=8),
    ):
        pass

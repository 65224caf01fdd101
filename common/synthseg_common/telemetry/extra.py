"""The extra that metrics and exporters need, and what is said where it is not installed."""

from __future__ import annotations

import importlib.util

from synthseg_common.errors import WRONG_USE, SynthSegError

PACKAGES = ("prometheus_client", "opentelemetry.sdk", "opentelemetry.exporter.otlp")


class MissingTelemetryError(SynthSegError):
    """Something was asked for that the extra brings."""

    exit_code = WRONG_USE


def need_telemetry(asked_by: str) -> None:
    """Refuses an option whose packages are not there.

    Raises:
        MissingTelemetryError: The extra is not installed.
    """
    for package in PACKAGES:
        if not _is_there(package):
            raise MissingTelemetryError(
                f"{asked_by}: {package} is not installed: "
                "pip install 'synthseg-serving[telemetry]'."
            )


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # its parent is missing, or was put in the way
        return False

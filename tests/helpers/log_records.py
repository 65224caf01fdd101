"""What was logged, without what a Dask cluster that tests share says meanwhile in this process."""

from __future__ import annotations

import logging

import pytest


def without_dask(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Records of all loggers but Dask's, whose threads may log at any time that they are busy."""
    return [record for record in caplog.records if record.name.split(".")[0] != "distributed"]

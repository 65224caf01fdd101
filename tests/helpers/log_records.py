"""What a part has logged, and not what threads of others say meanwhile in the same process."""

from __future__ import annotations

import logging

import pytest


def logged_by(caplog: pytest.LogCaptureFixture, *names: str) -> list[logging.LogRecord]:
    """Records of these loggers and of those below them.

    A Dask cluster, say, that other tests share may log that its machine is busy.
    """
    return [
        record
        for record in caplog.records
        if any(f"{record.name}.".startswith(f"{name}.") for name in names)
    ]

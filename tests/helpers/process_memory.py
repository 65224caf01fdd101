"""What this process held in memory, from the kernel's own count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typed import there

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


class Growth:
    """How much more than at the start was held at the worst moment."""

    def __init__(self) -> None:
        self._start = _kib("VmRSS")

    @property
    def mib(self) -> float:
        """MiB until now."""
        return (_kib("VmHWM") - self._start) / 1024


@contextmanager
def peak_growth() -> Iterator[Growth]:
    """Counts from here on; skips the test where the kernel does not."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        pytest.skip("the peak of memory cannot be counted here")
    yield Growth()


def _kib(key: str) -> int:
    return int(there(re.search(rf"{key}:\s+(\d+)", _STATUS.read_text()))[1])

"""How much memory processes have taken."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_PEAK = "VmPeak:"


def peak_kb(pids: Iterable[int | None]) -> int | None:
    """Largest virtual memory of processes in kB, summed; None where the system does not tell.

    Args:
        pids: Their numbers; None for what is no process of this machine.
    """
    peaks = [_peak_kb(pid) for pid in pids if pid is not None]
    known = [peak for peak in peaks if peak is not None]
    return sum(known) if known else None


def _peak_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(_PEAK)), None)

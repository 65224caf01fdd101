"""Whether the memory of a soak stayed flat, from the table that it wrote."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

WARM_UP_S = 900.0
"""Pools grow while sizes come for the first time."""
MOST_GROWTH = 0.05
MIB_PER_GIB = 1024


def verdict(path: Path) -> tuple[bool, str]:
    """Judges a table.

    Memory swings with the size of what is computed: medians of long stretches are compared, the
    first third after the warm-up with the last.

    Args:
        path: Written by `bench_soak.py`.

    Returns:
        Whether memory was flat and nothing failed, and lines that say why.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return False, f"{path} has no rows."
    last = rows[-1]
    lines = [
        f"{float(last['elapsed_s']) / 3600:.2f} h, {last['answered']} scans answered, "
        f"{last['refused']} refused as meant, {last['killed']} clients killed, "
        f"{last['busy']} times told to come back, {last['failed']} failed, "
        f"{last['restarts']} restarts of the server."
    ]
    flat = True
    for who in ("server", "client"):
        grown, line = growth(rows, f"{who}_mib")
        flat &= grown <= MOST_GROWTH
        lines.append(f"{who}: {line}")
    sound = flat and last["failed"] == "0" and last["restarts"] == "0"
    lines.append("flat." if sound else "NOT flat, or something failed.")
    return sound, "\n".join(lines)


def growth(rows: list[dict[str, str]], column: str) -> tuple[float, str]:
    """Growth from the first third after the warm-up to the last, as a share; and in words."""
    times = [float(row["elapsed_s"]) for row in rows]
    begin = min(WARM_UP_S, times[-1] / 4)
    points = [(t, float(r[column])) for t, r in zip(times, rows, strict=True) if t >= begin]
    third = max(1, len(points) // 3)
    first = statistics.median(mib for _, mib in points[:third])
    final = statistics.median(mib for _, mib in points[-third:])
    slope, _ = (
        statistics.linear_regression([t / 3600 for t, _ in points], [m for _, m in points])
        if len({t for t, _ in points}) > 1
        else (0.0, 0.0)
    )
    most = max(mib for _, mib in points)
    share = final / first - 1
    return share, (
        f"median {first:.0f} MiB in the first third, {final:.0f} MiB in the last "
        f"({100 * share:+.1f} %), {slope:+.0f} MiB an hour by a line through all, {most:.0f} MiB "
        "at most."
    )

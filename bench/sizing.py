"""What ten thousand scans a day take, from what one server was measured to do.

`python bench/sizing.py --scans-an-hour 120 --cores 4 --cpu-s 110 --peak-mib 4100` prints it for
figures of your own; `bench_load.py` prints it for those that it has just measured.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

SCANS_A_DAY = 10_000
HOURS_A_DAY = 24
SECONDS_A_DAY = 86_400
MOST_BUSY = 0.7
"""Share of its time that a pod computes: above, waiting grows faster than what is gained."""
SENT_MB, ANSWERED_MB = 23.6, 40.0
"""A head cut to 160 x 192 x 192, and the evidence of docs/reference/grpc-contract.md."""
STORED_MB = 12.0
"""A T1 of 1 mm, its label map and its table, compressed: an estimate, from the scans of the tests.
"""
MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Capacity:
    """What one pod was measured to do.

    Attributes:
        scans_an_hour: When it computes without a break.
        cores: That it had.
        cpu_s_a_scan: Processor time of one scan.
        peak_mib: Most memory of its server.
    """

    scans_an_hour: float
    cores: float
    cpu_s_a_scan: float | None = None
    peak_mib: float | None = None

    @property
    def scans_a_day(self) -> float:
        """Of a pod that is as busy as it may be."""
        return HOURS_A_DAY * self.scans_an_hour * MOST_BUSY

    def pods(self, scans_a_day: int = SCANS_A_DAY) -> int:
        """That so many scans a day need."""
        return math.ceil(scans_a_day / self.scans_a_day)


def sizing_table(pod: Capacity, scans_a_day: int = SCANS_A_DAY) -> str:
    """The arithmetic as a Markdown table."""
    pods = pod.pods(scans_a_day)
    rows = [
        ("one scan in", f"{SECONDS_A_DAY / scans_a_day:.1f} s"),
        ("scans an hour, one pod without a break (measured)", f"{pod.scans_an_hour:.0f}"),
        (f"scans a day, one pod {MOST_BUSY:.0%} busy", f"{pod.scans_a_day:.0f}"),
        ("scans a day, one core", f"{pod.scans_a_day / pod.cores:.0f}"),
        (f"pods of {pod.cores:g} cores", f"{pods}"),
        ("cores", f"{pods * pod.cores:g}"),
    ]
    if pod.cpu_s_a_scan is not None:
        core_hours = scans_a_day * pod.cpu_s_a_scan / 3600
        rows.append(("core hours a day, by processor time", f"{core_hours:.0f}"))
    if pod.peak_mib is not None:
        rows.append(("memory of all pods, GiB", f"{pods * pod.peak_mib / MIB_PER_GIB:.0f}"))
    rows += [
        ("through the network a day, GB", f"{scans_a_day * (SENT_MB + ANSWERED_MB) / 1000:.0f}"),
        ("new files a day, GB (estimate)", f"{scans_a_day * STORED_MB / 1000:.0f}"),
    ]
    head = [f"| {scans_a_day} scans a day | |", "|---|---|"]
    return "\n".join(head + [f"| {name} | {value} |" for name, value in rows])


def main() -> None:
    """Prints the table for figures that are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans-an-hour", type=float, required=True)
    parser.add_argument("--cores", type=float, required=True)
    parser.add_argument("--cpu-s", type=float)
    parser.add_argument("--peak-mib", type=float)
    parser.add_argument("--scans-a-day", type=int, default=SCANS_A_DAY)
    given = parser.parse_args()
    pod = Capacity(given.scans_an_hour, given.cores, given.cpu_s, given.peak_mib)
    print(sizing_table(pod, given.scans_a_day))


if __name__ == "__main__":
    main()

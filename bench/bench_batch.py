"""A folder of scans against one: how busy the server is kept, with the shipped network.

Busy is the time that it computed over the time from its first computation's start to its last one's
end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from served import WHOLE_HEAD, serving

from common import run_measured

CLIENT = Path(sys.executable).with_name("synthseg-client")
TIMEOUT_S = 3600


def main() -> None:
    """Segments one scan, then all, for several numbers of jobs, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=8)
    parser.add_argument("--crop", type=int, default=192)
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 3])
    arguments = parser.parse_args()
    if not WHOLE_HEAD.exists():
        print(f"no scan: {WHOLE_HEAD} is missing.")
        return
    print(f"### A folder of scans, {arguments.crop}³ to the network\n")
    print("| scans | jobs | wall s | s a scan | server busy |\n|---|---|---|---|---|")
    cases = [(1, 1), *((arguments.scans, jobs) for jobs in arguments.jobs)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder) as server:
            for scans, jobs in cases:
                inputs = copies(folder / f"in{scans}", scans)
                done = len(server.runs())
                command = [CLIENT, "segment", "--i", inputs, "--o", folder / f"out{scans}-{jobs}"]
                command += ["--crop", str(arguments.crop), "--jobs", str(jobs)]
                command += ["--server", server.address]
                wall = run_measured(command, None, TIMEOUT_S).wall_s
                runs = server.runs()[done:]
                whole = (runs[-1][1] - runs[0][0]).total_seconds()
                busy = sum((end - start).total_seconds() for start, end in runs) / whole
                print(
                    f"| {scans} | {jobs} | {wall:.1f} | {wall / scans:.1f} | {busy:.2f} |",
                    flush=True,
                )


def copies(folder: Path, count: int) -> Path:
    """A folder with so many copies of the scan."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        shutil.copy(WHOLE_HEAD, folder / f"scan{index}.mgz")
    return folder


if __name__ == "__main__":
    main()

"""Runs every bench/bench_*.py, or those named, one after the other: `make bench`.

`run.py load ...` and `run.py soak ...` run one that takes arguments of its own, and only if named.
Each prints its own Markdown table. A benchmark that fails is reported and the others still run.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PREFIX = "bench_"
# These take arguments, and as long as they are told.
ALONE = ("load", "soak")


def main(names: list[str]) -> int:
    """Runs the benchmarks.

    Args:
        names: Those to run, as `client_import`; none for all. After one of `ALONE`, its arguments.

    Returns:
        Exit code: 0 all ran, 1 some failed, 2 unknown name.
    """
    scripts = {
        path.stem.removeprefix(PREFIX): path for path in sorted(FOLDER.glob(f"{PREFIX}*.py"))
    }
    words: list[str] = []
    if names[:1] and names[0] in ALONE:
        names, words = names[:1], names[1:]
    unknown = [name for name in names if name not in scripts]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(scripts)}", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    failed = []
    for name in names or [name for name in scripts if name not in ALONE]:
        started = time.perf_counter()
        print(flush=True)
        if subprocess.run([sys.executable, scripts[name], *words], check=False).returncode:
            failed.append(name)
        print(f"\n({name}: {time.perf_counter() - started:.0f} s)", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def machine() -> str:
    """One line about what the figures were measured on."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores usable, load {load:.1f}, "
        f"Python {platform.python_version()}. Under load compare ratios, not seconds."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

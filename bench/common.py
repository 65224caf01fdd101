"""What every benchmark needs: run a child process, measure it, compare it with a baseline."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# Linux counts ru_maxrss in KiB.
KIB_PER_MIB = 1024


class BenchmarkError(Exception):
    """A measured command failed."""


@dataclass(frozen=True)
class Usage:
    """What one run cost.

    Attributes:
        wall_s: Time on the clock.
        cpu_s: Processor time, user and system, of the process and of the children it waited for.
        peak_rss_mib: Most resident memory of any one process of it.
    """

    wall_s: float
    cpu_s: float
    peak_rss_mib: float


@dataclass(frozen=True)
class Result:
    """One line of a benchmark's table.

    Attributes:
        name: What was run.
        usage: Medians over the runs.
        ratio: Wall time over the baseline's, median over the rounds; `None` for the baseline.
        note: Anything the reader must know to judge it.
    """

    name: str
    usage: Usage
    ratio: float | None = None
    note: str = ""


def run_measured(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, timeout_s: float = 600
) -> Usage:
    """Runs a command to its end and measures it.

    The kernel counts this process's own memory as the child's at its start: a benchmark stays small
    itself and leaves the heavy work to children.

    Args:
        command: Program and arguments.
        env: Variables on top of this process's.
        timeout_s: The child is killed after this.

    Returns:
        What it cost.

    Raises:
        BenchmarkError: It failed or took too long.
    """
    shown = " ".join(str(part) for part in command)
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, **(env or {})},
        )
        killer = threading.Timer(timeout_s, child.kill)
        killer.start()
        # wait4 and not wait: it alone tells what this one child used.
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - started
        killer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()[-2000:]
            raise BenchmarkError(
                f"{shown} ended with {child.returncode} after {wall_s:.0f} s: {said}"
            )
    return Usage(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KIB_PER_MIB)


def compare(
    commands: Mapping[str, Sequence[str | Path]], rounds: int, env: Mapping[str, str] | None = None
) -> list[Result]:
    """Runs commands in turn, round by round, so that a busy machine slows all of them alike.

    Args:
        commands: Command by name; the first is the baseline.
        rounds: Measured rounds; one more runs before them to fill the disk cache.
        env: Variables on top of this process's.

    Returns:
        Medians, and the median over the rounds of the ratio to the baseline.
    """
    for command in commands.values():
        run_measured(command, env)
    measured: dict[str, list[Usage]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            measured[name].append(run_measured(command, env))
    baseline = next(iter(measured.values()))
    results = []
    for name, usages in measured.items():
        ratios = [u.wall_s / b.wall_s for u, b in zip(usages, baseline, strict=True)]
        ratio = None if usages is baseline else statistics.median(ratios)
        results.append(Result(name, median(usages), ratio))
    return results


def median(usages: Sequence[Usage]) -> Usage:
    """Median of each column by itself."""
    columns = zip(*(astuple(usage) for usage in usages), strict=True)
    return Usage(*(statistics.median(column) for column in columns))


def table(title: str, results: Sequence[Result]) -> str:
    """The results as a Markdown table under a heading."""
    lines = [
        f"### {title}",
        "",
        "| what | wall s | CPU s | peak MiB | times the baseline | |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        usage = result.usage
        ratio = "baseline" if result.ratio is None else f"{result.ratio:.2f}"
        lines.append(
            f"| {result.name} | {usage.wall_s:.3g} | {usage.cpu_s:.3g} | {usage.peak_rss_mib:.0f} "
            f"| {ratio} | {result.note} |"
        )
    return "\n".join(lines)

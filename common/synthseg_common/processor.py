"""The processor: what it is called, what it can do, and how much of it this process may use."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Processor:
    """A processor as the system tells of it; what it does not tell is empty.

    Attributes:
        model: What it is called.
        vendor: Who made it, as `AuthenticAMD`.
        family: The maker's number of its design.
        features: What it can do, as `avx2` and `avx512_vnni`.
    """

    model: str = ""
    vendor: str = ""
    family: str = ""
    features: frozenset[str] = frozenset()


def read_processor(cpu_info: str | None = None) -> Processor:
    """The processor of this machine.

    Args:
        cpu_info: Text of `/proc/cpuinfo`; read from there unless given.
    """
    text = _read(_CPU_INFO) if cpu_info is None else cpu_info
    facts = dict(_split(line) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return Processor(
        model=facts.get("model name", "" if text else platform.processor()),
        vendor=facts.get("vendor_id", ""),
        family=facts.get("cpu family", ""),
        features=frozenset(facts.get("flags", facts.get("Features", "")).split()),
    )


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the limit of its control group."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        limit = max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return cores
    return min(cores, limit)


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

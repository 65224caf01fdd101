"""How much memory this process may use, and how much it does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_OWN_USE = Path("/proc/self/statm")
_MEMORY_FACTS = Path("/proc/meminfo")
_USE_BESIDE = {
    "memory.max": "memory.current",
    "memory.limit_in_bytes": "memory.usage_in_bytes",
}


@dataclass(frozen=True)
class MemoryLimit:
    """Memory that a process may use.

    Attributes:
        size_bytes: How much.
        source: What says so, for messages.
        file: The control group's file that says so; None is the machine itself.
    """

    size_bytes: int
    source: str
    file: Path | None = None

    @property
    def is_of_a_group(self) -> bool:
        """Whether a control group allows less than the machine has."""
        return self.file is not None


def memory_limit(groups: Path = _GROUPS, mount: Path = _MOUNT) -> MemoryLimit | None:
    """The least of the machine's memory and the limits of the control groups around this process.

    Args:
        groups: The file that names the process's control groups.
        mount: Where their file systems are.

    Returns:
        None where nothing says it.
    """
    limits = [*_physical(), *_group_limits(groups, mount)]
    return min(limits, key=lambda limit: limit.size_bytes, default=None)


def used_bytes() -> int:
    """Memory that this process holds; 0 where the system does not say."""
    try:
        return int(_OWN_USE.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def free_bytes(
    groups: Path = _GROUPS, mount: Path = _MOUNT, facts: Path = _MEMORY_FACTS
) -> int | None:
    """Memory that this process may still take: of the machine, or of a control group that has less.

    What a group holds in caches counts as taken, though it would be given back.

    Args:
        groups: The file that names the process's control groups.
        mount: Where their file systems are.
        facts: The file that says what is free in all.

    Returns:
        None where nothing says it.
    """
    free = [*_available(facts)]
    for limit in _group_limits(groups, mount):
        free += [max(0, limit.size_bytes - used) for used in _used_of_group(limit)]
    return min(free, default=None)


def _available(facts: Path) -> Iterator[int]:
    try:
        lines = facts.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield int(value.split()[0]) * 1024


def _used_of_group(limit: MemoryLimit) -> Iterator[int]:
    if limit.file is None:
        return
    used = _USE_BESIDE[limit.file.name]
    try:
        yield int(limit.file.with_name(used).read_text())
    except (OSError, ValueError):
        return


def _physical() -> Iterator[MemoryLimit]:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return
    if size > 0:
        yield MemoryLimit(size, "the machine's memory")


def _group_limits(groups: Path, mount: Path) -> Iterator[MemoryLimit]:
    for path in _limit_files(groups, mount):
        try:
            yield MemoryLimit(int(path.read_text()), str(path), path)
        except (OSError, ValueError):  # no such group in this mount, or "max"
            continue


def _limit_files(groups: Path, mount: Path) -> Iterator[Path]:
    """Files that may hold a limit: of the process's groups and of every group around them.

    Inside a container the mount often begins at the container's own group, whatever the path says.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        lines = ["0::/", "1:memory:/"]
    for line in lines:
        _, controllers, name = [*line.split(":", 2), "", ""][:3]
        own = Path(name.lstrip("/"))
        around = [own, *own.parents]
        if not controllers:
            for base in (mount, mount / "unified"):
                yield from (base / group / "memory.max" for group in around)
        elif "memory" in controllers.split(","):
            yield from (mount / "memory" / g / "memory.limit_in_bytes" for g in around)

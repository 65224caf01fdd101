from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_common.memory import free_bytes, memory_limit, used_bytes
from typed import there

GIB = 2**30


def _written(root: Path, files: dict[str, str]) -> tuple[Path, Path, Path]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "cgroup", root, root / "meminfo"


MACHINE = {"meminfo": "MemTotal:  9 kB\nMemAvailable:  4194304 kB\n"}
CASES = {
    "the machine alone": (MACHINE, 4 * GIB),
    "a group that has less": (
        {
            **MACHINE,
            "cgroup": "0::/a\n",
            "a/memory.max": f"{2 * GIB}\n",
            "a/memory.current": f"{GIB}\n",
        },
        GIB,
    ),
    "a group of the first kind": (
        {
            **MACHINE,
            "cgroup": "4:memory:/c\n",
            "memory/c/memory.limit_in_bytes": f"{2 * GIB}\n",
            "memory/c/memory.usage_in_bytes": f"{GIB // 2}\n",
        },
        2 * GIB - GIB // 2,
    ),
    "a group that is full": (
        {"cgroup": "0::/a\n", "a/memory.max": "5\n", "a/memory.current": "9\n"},
        0,
    ),
    "a group that tells no use": ({**MACHINE, "cgroup": "0::/a\n", "a/memory.max": "5\n"}, 4 * GIB),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("name", CASES)
def test_free_is_what_machine_and_groups_leave(name: str, tmp_path: Path) -> None:
    files, expected = CASES[name]
    assert free_bytes(*_written(tmp_path, files)) == expected


def test_this_process_holds_less_than_it_may() -> None:
    assert 0 < used_bytes() < there(memory_limit()).size_bytes


def test_a_group_that_limits_is_told_from_the_machine(tmp_path: Path) -> None:
    groups, mount, _ = _written(tmp_path, {"cgroup": "0::/a\n", "a/memory.max": "5\n"})
    assert there(memory_limit(groups, mount)).is_of_a_group
    assert not there(memory_limit(tmp_path / "none", tmp_path / "none")).is_of_a_group

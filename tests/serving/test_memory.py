"""What a process may use, as control groups and the machine say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_serving.memory import memory_limit, used_bytes
from typed import there


def write(root: Path, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "cgroup", root


GIB = 2**30


GROUPS = {
    "v2": ({"cgroup": "0::/a/b\n", "a/b/memory.max": f"{GIB}\n", "a/memory.max": "max\n"}, GIB),
    "v2, of a group around": (
        {"cgroup": "0::/a/b\n", "a/b/memory.max": "max\n", "a/memory.max": f"{GIB}\n"},
        GIB,
    ),
    "v2, seen from within": ({"cgroup": "0::/\n", "memory.max": f"{GIB}\n"}, GIB),
    "v1": (
        {
            "cgroup": "5:cpu:/x\n4:memory:/docker/c\n0::/\n",
            "memory/docker/c/memory.limit_in_bytes": f"{GIB}\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
        GIB,
    ),
    "v1, seen from within": (
        {"cgroup": "4:memory:/docker/c\n", "memory/memory.limit_in_bytes": f"{GIB}\n"},
        GIB,
    ),
    "both, mounted beside each other": (
        {"cgroup": "4:memory:/\n0::/u\n", "unified/u/memory.max": f"{GIB}\n"},
        GIB,
    ),
    "no file of groups": ({"memory.max": f"{GIB}\n"}, GIB),
    "no limit": ({"cgroup": "0::/\n", "memory.max": "max\n"}, None),
    "nothing": ({}, None),
    "nonsense": ({"cgroup": "\n:::\n", "memory.max": "no\n"}, None),
}


@pytest.mark.parametrize("name", GROUPS)
def test_limit_is_that_of_the_control_groups_or_the_machine(name: str, tmp_path: Path) -> None:
    files, expected = GROUPS[name]
    machine = there(memory_limit(tmp_path / "none", tmp_path / "none"))
    limit = there(memory_limit(*write(tmp_path, files)))
    assert limit.size_bytes == (expected or machine.size_bytes)
    assert (str(tmp_path) in limit.source) == (expected is not None)


def test_limit_of_this_machine_is_no_more_than_it_has() -> None:
    assert used_bytes() < there(memory_limit()).size_bytes

"""Versions on disk, and which of them to serve."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_serving.versions import VersionPolicy, find_versions

FOUND = {n: Path(str(n)) for n in (1, 2, 5, 9)}


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (VersionPolicy(), [9]),
        (VersionPolicy(latest=2), [9, 5]),
        (VersionPolicy(latest=0), [9, 5, 2, 1]),
        (VersionPolicy(specific=(2, 7, 1)), [2, 1]),
    ],
)
def test_policies(policy: VersionPolicy, chosen: list[int]) -> None:
    assert policy.choose(FOUND) == chosen


def test_versions_are_folders_with_a_number(tmp_path: Path) -> None:
    for name in ("1", "00002", "3.tmp", ".4", "-5", "x"):
        (tmp_path / name).mkdir()
    (tmp_path / "6").touch()
    assert sorted(find_versions(tmp_path)) == [1, 2]

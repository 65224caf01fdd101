"""Names of files that are safe in any file system and in any address."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MOST = 60


def slugs_of(names: Sequence[str]) -> list[str]:
    """A name of letters, digits, `-`, `_` and `.` for each, no two alike."""
    digits = len(str(len(names)))
    return [f"{number:0{digits}d}-{_plain(name)}" for number, name in enumerate(names, start=1)]


def _plain(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_MOST].strip("-.")
    return plain or "scan"

"""What was looked at, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """Something that keeps scans from being segmented.

    Attributes:
        what: What is wrong.
        remedy: What to do about it.
    """

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}."


@dataclass(frozen=True)
class Finding:
    """What was found. Neither facts nor problems hold paths, or names of hosts or users.

    Attributes:
        facts: By name, as JSON takes them.
        problems: What is wrong.
    """

    facts: Mapping[str, object]
    problems: tuple[Problem, ...] = field(default=())

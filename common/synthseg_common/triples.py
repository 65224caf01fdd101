"""Three whole numbers, one for each axis: shapes, places and sizes in voxels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Triple: TypeAlias = tuple[int, int, int]


def triple(numbers: Iterable[int]) -> Triple:
    """Three numbers of any integer type.

    Raises:
        ValueError: They are fewer or more.
    """
    x, y, z = numbers
    return int(x), int(y), int(z)

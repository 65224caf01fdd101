"""Tables as the card shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def decimals(number: float, digits: int = 2) -> str:
    """A cell; a dash where there is no number."""
    return "-" if math.isnan(number) else f"{number:.{digits}f}"


def print_table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[object]], note: str = ""
) -> None:
    """Prints a heading, a line about what is shown, and the table.

    Args:
        title: Of the table.
        head: Of its columns.
        rows: Cells; numbers are shown as they are, so format them before.
        note: What a reader must know.
    """
    print(f"\n### {title}\n")
    if note:
        print(f"{note}\n")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")

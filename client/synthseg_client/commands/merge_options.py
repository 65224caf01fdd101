"""Options of `merge`; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from synthseg_common.option_groups import option


@dataclass(frozen=True, kw_only=True)
class Merging:
    """What to merge, and into what."""

    table: str = option("--o", required=True, help="CSV file to write: path or address.")
    scans: tuple[str, ...] = option(
        "--i",
        multiple=True,
        metavar="SCAN...",
        help="All scans that there should be, as segment took them; without it only those are "
        "known that were begun.",
    )
    as_json: bool = option("--json", is_flag=True, help="Print the counts as one JSON object.")
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Print what is wrong only.")

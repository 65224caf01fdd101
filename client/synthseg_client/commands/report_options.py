"""Options of `report`; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from synthseg_common.option_groups import option

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Where a report goes, and how it is made."""

    output: Path | None = option(
        "--o",
        type=_PATH,
        metavar="DIR",
        help="Folder of the report; an earlier report there is replaced. [default: OUT_DIR/report]",
    )
    scans: Path | None = option(
        "--scans",
        type=_PATH,
        metavar="DIR",
        help="Where scans are looked for by name that are no longer where they were read from.",
    )
    jobs: int | None = option(
        "--jobs",
        type=click.IntRange(min=1),
        help="Processes that draw at once. [default: one for each processor, 4 at most]",
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Errors only.")

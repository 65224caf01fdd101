"""What `merge` does once its options are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from synthseg_common.errors import ALL_DONE, TRY_AGAIN

from synthseg_client.batch.shards import roots_of
from synthseg_client.commands.merge_options import Merging
from synthseg_client.commands.report import say
from synthseg_client.commands.stored_places import mirrored_scans
from synthseg_client.errors import ClientError, UsageError
from synthseg_client.inputs.sources import find_scans, is_list, read_list
from synthseg_client.merging.gathering import gather
from synthseg_client.merging.rows import ORDER, Merged
from synthseg_client.merging.table import write_merged
from synthseg_client.storage.addresses import is_address
from synthseg_client.storage.mirror import Mirror

_ENDING = ".csv"


def run_merge(folders: tuple[str, ...], merging: Merging) -> int:
    """Merges; returns the exit code: 1 if a scan failed, is missing or not whole.

    Raises:
        ClientError: There is nothing to merge, or the table cannot be written.
    """
    if not merging.table.lower().endswith(_ENDING):
        raise UsageError(f"--o {merging.table}: expected the name of a CSV file, with .csv.")
    with Mirror() as mirror:
        try:
            merged = _merge(folders, merging, mirror)
        except ClientError as error:
            raise mirror.with_told(error) from error.__cause__
    _tell(merged, merging)
    return ALL_DONE if len(merged.of("done")) == len(merged.rows) else TRY_AGAIN


def _merge(folders: tuple[str, ...], merging: Merging, mirror: Mirror) -> Merged:
    expected, roots = None, []
    if merging.scans:
        scans = mirrored_scans(merging.scans, mirror)
        expected, roots = _found(scans), roots_of(scans)
    merged = gather(folders, mirror, expected, roots)
    table = merging.table
    path = mirror.path_of(table) if is_address(table) else Path(table)
    write_merged(path, merged)
    mirror.push(path)
    return merged


def _found(scans: list[str]) -> list[Path]:
    if len(scans) == 1 and is_list(Path(scans[0])):
        return read_list(Path(scans[0]))
    return find_scans(scans)


def _tell(merged: Merged, merging: Merging) -> None:
    for line in _complaints(merged):
        say(line, err=True)
    counts = {str(status): len(merged.of(status)) for status in ORDER}
    if merging.as_json:
        told = {"scans": len(merged.rows), **counts, "duplicates": len(merged.duplicates)}
        say(json.dumps(told | {"models": merged.models, "table": merging.table}))
    if not merging.quiet:
        told_counts = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
        say(f"{merging.table}: {len(merged.rows)} scans, {told_counts}", err=True)


def _complaints(merged: Merged) -> Iterator[str]:
    for row in merged.rows:
        if row.status != "done":
            yield f"{row.status.upper()} {row.scan}: {row.error.removeprefix(f'{row.scan}: ')}"
    for row, counted in merged.duplicates:
        yield f"DUPLICATE {row.scan}: {row.labels} is left out, {counted.labels} counts."
    for row, other in merged.twins:
        yield f"WARNING {row.scan}: has the same content as {other.scan}; both count."
    if len(merged.models) > 1:
        models = ", ".join(f"{name} {n} times" for name, n in merged.models.items())
        yield f"WARNING not all results are of one model version: {models}; see the column model."
    if merged.tables > 1:
        yield "WARNING not all results have the same structures: some cells are empty."

"""Records of many jobs: each scan once, what is not whole, what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from synthseg_client.batch.shards import key_of
from synthseg_client.errors import UsageError
from synthseg_client.inputs.places import is_folder
from synthseg_client.merging.rows import ORDER, Merged, Row
from synthseg_client.results.journal import JOURNAL_NAME, Entry, FailedEntry, Journal, sha256_of
from synthseg_client.results.scan_records import RECORDS, ScanRecords
from synthseg_client.results.volume_table import row_name
from synthseg_client.storage.addresses import is_address
from synthseg_client.storage.mirror import Mirror

_READERS = 16
_Told = tuple[Path, Entry | FailedEntry]


def gather(
    folders: Sequence[str],
    mirror: Mirror,
    expected: Sequence[Path] | None = None,
    roots: Sequence[Path] = (),
) -> Merged:
    """Reads what is recorded in folders of results.

    Args:
        folders: Paths or addresses; what is below them counts, too.
        mirror: Of object storage.
        expected: All scans that there should be; None knows of those alone that were begun.
        roots: Folders that these were found in.

    Raises:
        UsageError: A folder is not there, or nothing is recorded in any.
        StorageError: Object storage cannot be read.
        OutputError: A record cannot be read.
    """
    found = [row for folder in folders for row in _Folder(folder, mirror).rows()]
    if not found:
        raise UsageError(
            f"{folders[0]}: nothing is recorded here: name the folder that segment wrote to."
        )
    rows, duplicates = _each_once(found)
    if expected is not None:
        rows += _missing(rows, expected, mirror, roots)
    rows.sort(key=lambda row: (row.subject, row.scan))
    return Merged(tuple(rows), tuple(duplicates), tuple(_twins(rows)))


class _Folder:
    """A folder of results with all that is below it.

    Args:
        name: Path or address.
        mirror: Of object storage.
    """

    def __init__(self, name: str, mirror: Mirror) -> None:
        self._mirror = mirror
        self._records = ScanRecords(mirror)
        self._versions: dict[Path, str] = {}
        self._journals: list[Path] = []
        if is_address(name):
            self._versions = mirror.survey(name)
            self._files = [p for p in self._versions if p.parent.name == RECORDS]
            return
        if not is_folder(Path(name)):
            raise UsageError(f"{name}: no such folder, expected one that segment wrote to.")
        self._files = [p.absolute() for p in sorted(Path(name).rglob(f"{RECORDS}/*.json"))]
        self._journals = sorted(Path(name).rglob(f"{JOURNAL_NAME}*"))

    def rows(self) -> list[Row]:
        """A row for each label map that something is recorded of."""
        told: dict[Path, list[Entry | FailedEntry]] = defaultdict(list)
        with ThreadPoolExecutor(_READERS) as pool:
            for labels, record in (*filter(None, pool.map(self._records.read, self._files)),
                                   *self._journaled()):  # fmt: skip
                told[labels].append(record)
            return list(pool.map(self._best, told, told.values()))

    def _journaled(self) -> Iterator[_Told]:
        for path in self._journals:
            journal = Journal(path)
            for records in (journal.read(), journal.failures()):
                yield from ((Path(labels), record) for labels, record in records.items())

    def _best(self, labels: Path, records: Iterable[Entry | FailedEntry]) -> Row:
        """Of several records of one label map, what is done."""
        return min((self._row(labels, record) for record in records), key=_rank)

    def _row(self, labels: Path, record: Entry | FailedEntry) -> Row:
        told = self._mirror.told(str(labels))
        if isinstance(record, FailedEntry):
            name = row_name(Path(record.scan))
            return Row(name, record.scan, "failed", told, error=record.error, series=record.series)
        lost = next((p for p in record.outputs if not self._is_whole(record, p)), None)
        return Row(
            record.row or row_name(Path(record.scan)),
            self._mirror.told(record.scan),
            "done" if lost is None else "incomplete",
            told,
            record.served,
            f"{self._mirror.told(lost)}: is gone or was changed" if lost else "",
            record.series,
            record.scan_sha256,
            record.volumes,
            record.quality,
        )

    def _is_whole(self, entry: Entry, output: str) -> bool:
        written, path = entry.outputs[output], Path(output)
        if not written:
            return True
        if self._mirror.address_of(path) is None:
            return path.is_file() and sha256_of(path) == written
        version = self._versions.get(path) or self._mirror.version(path)
        return version == entry.versions.get(output)


def _rank(row: Row) -> int:
    return ORDER.index(row.status)


def _each_once(found: Iterable[Row]) -> tuple[list[Row], list[tuple[Row, Row]]]:
    """One row for each scan, the best; and the others that are done as well, beside it."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in found:
        groups[row.scan, row.series].append(row)
    rows, duplicates = [], []
    for group in groups.values():
        best = min(group, key=_rank)
        rows.append(best)
        others = (row for row in group if row is not best)
        duplicates += [(row, best) for row in others if row.status == best.status == "done"]
    return rows, duplicates


def _missing(
    rows: Sequence[Row], expected: Sequence[Path], mirror: Mirror, roots: Sequence[Path]
) -> list[Row]:
    """Rows of scans of which nothing is recorded, nor of one path below another folder."""
    known = {row.scan for row in rows}
    missing = {mirror.told(str(scan.absolute())): scan for scan in expected}
    missing = {told: scan for told, scan in missing.items() if told not in known}
    others = [f"/{row.scan}" for row in rows] if missing else []
    empty = Row("", "", "missing", error="nothing is recorded of it")
    return [
        replace(empty, subject=row_name(scan), scan=told)
        for told, scan in missing.items()
        if sum(name.endswith(f"/{key_of(scan, roots)}") for name in others) != 1
    ]


def _twins(rows: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    first: dict[str, Row] = {}
    for row in rows:
        if row.digest and row.status == "done":
            one = first.setdefault(row.digest, row)
            if one.scan != row.scan:
                yield row, one

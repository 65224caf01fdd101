"""What a run left in its folder: journals, sidecars, tables, label maps."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthseg_common.formats import WRITABLE, stem_of

from synthseg_client.batch.tasks import SIDECAR_ENDING, SOFTWARE
from synthseg_client.errors import UsageError
from synthseg_client.report.records import Failure, Run, ScanRecord, name_of, without_folders
from synthseg_client.results.journal import JOURNAL_NAME, Entry, FailedEntry, Journal
from synthseg_client.results.scan_records import RECORDS, ScanRecords
from synthseg_client.storage.mirror import Mirror

_SUBJECT = "subject"


def find_run(folder: Path, scans: Path | None = None) -> Run:
    """Reads what a run left.

    Args:
        folder: That `segment` wrote its results to; folders below it are searched too.
        scans: Where scans lie that are not where the journal says, or of which none tells.

    Raises:
        UsageError: There is no result of a run.
        OutputError: A journal cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder, expected the one that segment wrote to.")
    left = _Leftovers.of(folder)
    found = {str(path.absolute()): path for path in left.label_maps()}
    places = _by_name(scans) if scans is not None else {}
    records = [_placed(left.record_of(key, path), places) for key, path in found.items()]
    failures = left.failures(set(found))
    if not records and not failures:
        raise UsageError(
            f"{folder}: holds no label maps with sidecars or journal of synthseg-client segment: "
            "name the folder that it wrote to."
        )
    return Run(tuple(sorted(records, key=lambda r: (r.name, str(r.labels)))), tuple(failures))


@dataclass(frozen=True)
class _Leftovers:
    """The records of a run.

    Attributes:
        folder: Of the results.
        entries: Of the journals, by the path of the label map.
        failed: What the journals tell of scans that failed, by the same.
        rows: Of tables in the folder: numbers by the name of the scan.
    """

    folder: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> _Leftovers:
        left = cls(folder)
        for path in sorted(folder.rglob(f"{JOURNAL_NAME}*")):
            journal = Journal(path)
            left.entries.update(_where_they_lie(journal.read(), folder, path.parent))
            for key, failed in journal.failures().items():
                left.add_failure(key, failed)
        records = ScanRecords(Mirror())
        for path in sorted(folder.rglob(f"{RECORDS}/*.json")):
            told = records.read(path.absolute())
            if told is None:
                continue
            labels, record = str(told[0]), told[1]
            if isinstance(record, Entry):
                left.entries[labels] = record
            else:
                left.add_failure(labels, record)
        for path in sorted(folder.glob("*.csv")):
            left.rows.update(_rows_of(path))
        return left

    def add_failure(self, labels: str, failed: FailedEntry) -> None:
        """Takes what is told of a scan that failed."""
        scan = Path(failed.scan)
        reason = without_folders(failed.error, scan)
        self.failed[labels] = Failure(name_of(Path(labels), scan), reason)

    def label_maps(self) -> Iterator[Path]:
        """Label maps that a journal or a sidecar of ours tells of, each once."""
        for labels in self.entries:
            if Path(labels).is_file():
                yield Path(labels)
        for sidecar in sorted(self.folder.rglob(f"*{SIDECAR_ENDING}")):
            if sidecar.name.startswith(".") or not read_sidecar(sidecar):
                continue
            stem = sidecar.name.removesuffix(SIDECAR_ENDING)
            images = (sidecar.with_name(stem + ending) for ending in WRITABLE)
            yield from (image for image in images if image.is_file())

    def record_of(self, labels: str, path: Path) -> ScanRecord:
        """All that is known about one result."""
        entry = self.entries.get(labels)
        sidecar = read_sidecar(path.with_name(stem_of(path) + SIDECAR_ENDING))
        told = sidecar.get("scan")
        told = told if isinstance(told, dict) else {}
        # A sidecar names no folder; with --beside-scans the scan is not far.
        beside = path.with_name(Path(str(told.get("file") or "unknown")).name)
        scan = Path(entry.scan) if entry else beside
        name = name_of(path, scan)
        quality = sidecar.get("quality")
        return ScanRecord(
            name,
            path,
            scan,
            entry.scan_sha256 if entry else str(told.get("sha256", "")),
            entry.volumes if entry else self.rows.get(name, {}),
            (entry.quality if entry else {}) or (quality if isinstance(quality, dict) else {}),
            sidecar,
        )

    def failures(self, found: set[str]) -> list[Failure]:
        """Scans that failed and have no result."""
        return [failure for labels, failure in self.failed.items() if labels not in found]


def read_sidecar(path: Path) -> Mapping[str, Any]:
    """A sidecar that `segment` wrote; empty for none, or one of anything else."""
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    software = told.get("software") if isinstance(told, dict) else None
    is_ours = isinstance(software, dict) and software.get("name") == SOFTWARE
    return told if is_ours else {}


def _where_they_lie(
    entries: Mapping[str, Entry], folder: Path, home: Path
) -> Iterator[tuple[str, Entry]]:
    """Entries by where their label maps are: the folder of a run may have been moved."""
    for labels, entry in entries.items():
        path = Path(labels)
        if path.is_file():
            yield labels, entry
            continue
        moved = home / path.name
        if moved.is_file():
            yield str(moved.absolute()), entry


def _rows_of(path: Path) -> dict[str, dict[str, float]]:
    """Numbers of a volumes table by the name of the scan; none of a table of another kind."""
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
            header, *rows = list(csv.reader(stream)) or [[]]
        if header[:1] != [_SUBJECT] or len(header) < 2 or "general white matter" in header:
            return {}
        return {
            stem_of(Path(row[0])): dict(zip(header[1:], map(float, row[1:]), strict=True))
            for row in rows
            if row
        }
    except (OSError, ValueError, csv.Error):
        return {}


def _by_name(folder: Path) -> dict[str, Path]:
    """Files below a folder by their name; of several of one name none, for it tells nothing."""
    if not folder.is_dir():
        raise UsageError(f"--scans {folder}: no such folder.")
    places: dict[str, Path] = {}
    twice: set[str] = set()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            (twice.add if path.name in places else lambda _: None)(path.name)
            places[path.name] = path
    return {name: path for name, path in places.items() if name not in twice}


def _placed(record: ScanRecord, places: Mapping[str, Path]) -> ScanRecord:
    """A record whose scan is looked for where the user says, if it is not where it was."""
    if record.scan is None or record.scan.is_file() or record.scan.name not in places:
        return record
    return replace(record, scan=places[record.scan.name])

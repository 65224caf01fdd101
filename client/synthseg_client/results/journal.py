"""A record of finished scans that survives whatever ends the program."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from synthseg_common.formats import parts_of

from synthseg_client.errors import OutputError

JOURNAL_NAME = ".synthseg-journal.jsonl"
_FORMAT = 1
_FAILURE = "failure 1"
"""Format of what is told of scans that failed: those who look for finished ones pass it over."""
_BLOCK = 1 << 20
_LATER = ("served", "row", "series", "scan_version", "versions")


@dataclass(frozen=True)
class Entry:
    """One finished scan.

    Attributes:
        scan: Absolute path of the scan.
        scan_sha256: Of its content.
        options: Fingerprint of the options.
        model: Fingerprint of the model.
        outputs: SHA-256 by absolute path of every file that was written; empty for one that was not
            needed.
        volumes: mm³ by structure.
        quality: Predicted Dice by group of structures.
        served: Name and version of the model.
        row: What tables call the scan.
        series: Which of a DICOM source; empty for other scans.
        scan_version: What object storage calls its content; empty for a file.
        versions: The same of outputs, by path.
    """

    scan: str
    scan_sha256: str
    options: str
    model: str
    outputs: Mapping[str, str]
    volumes: Mapping[str, float]
    quality: Mapping[str, float] = field(default_factory=dict)
    served: str = ""
    row: str = ""
    series: str = ""
    scan_version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Entry:
        """What `to_json` gave; what later versions tell beside it is passed over.

        Raises:
            TypeError: Something is missing.
        """
        known = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in record.items() if key in known})

    def to_json(self) -> dict[str, Any]:
        """For JSON; what is not known is left out, so that earlier versions read the rest."""
        told = asdict(self)
        return {key: value for key, value in told.items() if value or key not in _LATER}


@dataclass(frozen=True)
class FailedEntry:
    """One scan that failed.

    Attributes:
        scan: Absolute path of the scan.
        error: Why, in one line.
        series: Which of a DICOM source; empty for other scans.
    """

    scan: str
    error: str
    series: str = ""

    def to_json(self) -> dict[str, Any]:
        """For JSON, as that of `Entry`."""
        told = asdict(self)
        return {key: value for key, value in told.items() if value or key not in _LATER}


class Journal:
    """Appends entries to a file, one JSON line each, on disk before a scan counts as finished.

    Args:
        path: The file; several runs, even at the same time, may share it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Entry]:
        """The newest entry by label file; lines cut off or of another format are passed over."""
        return {key: told for key, told in self._newest().items() if isinstance(told, Entry)}

    def failures(self) -> dict[str, FailedEntry]:
        """What was told of scans that failed and were not finished later, by label file."""
        return {key: told for key, told in self._newest().items() if isinstance(told, FailedEntry)}

    def _newest(self) -> dict[str, Entry | FailedEntry]:
        entries: dict[str, Entry | FailedEntry] = {}
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be read: {error.strerror}.") from error
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                record = json.loads(line)
                kind, key = record.pop("format"), record.pop("labels")
                if kind == _FORMAT:
                    entries[key] = Entry.from_json(record)
                # What was finished before stays so: its files are there.
                elif kind == _FAILURE and not isinstance(entries.get(key), Entry):
                    entries[key] = FailedEntry(**record)
        return entries

    def append(self, labels: Path, entry: Entry) -> None:
        """Adds a finished scan.

        Args:
            labels: Its label file, under which it is found again.
            entry: What is known about it.

        Raises:
            OutputError: It cannot be written.
        """
        self._append(labels, {"format": _FORMAT, **entry.to_json()})

    def append_failure(self, labels: Path, entry: FailedEntry) -> None:
        """Adds a scan that failed, for reports.

        Args:
            labels: The label file that was to come of it.
            entry: What is known about it.

        Raises:
            OutputError: It cannot be written.
        """
        self._append(labels, {"format": _FAILURE, **entry.to_json()})

    def _append(self, labels: Path, told: Mapping[str, object]) -> None:
        record = {**told, "labels": str(labels.absolute())}
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                # A line that an earlier run could not finish must not swallow this one.
                size = os.fstat(handle).st_size
                torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                os.write(handle, b"\n" + line if torn else line)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}.") from error


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def scan_digest(path: Path) -> str:
    """Hex digest of a scan, which may be a pair of header and voxels.

    Raises:
        OSError: It cannot be read.
    """
    parts = parts_of(path)
    if len(parts) == 1:
        return sha256_of(path)
    return hashlib.sha256("".join(map(sha256_of, parts)).encode()).hexdigest()

"""What is known of finished scans, one small file each: for runs that share a folder of results.

Jobs on many machines cannot append to one journal: object storage has no appending, and network
file systems do not keep lines of several machines apart. Here each scan has a file of its own, in
a folder beside its label map, which takes its place whole and is the last that is written: a scan
counts from then on. Whoever writes it again replaces it, so none counts twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthseg_common.files import write_text

from synthseg_client.results.journal import Entry, FailedEntry
from synthseg_client.storage.addresses import is_address
from synthseg_client.storage.mirror import Mirror

RECORDS = ".synthseg-records"
"""Folder of the records, beside the label maps."""
_FORMAT = "scan 1"
_FAILURE = "failed scan 1"
_ENDING = ".json"
_FAILED_ENDING = ".failed.json"


class ScanRecords:
    """Records of scans beside their label maps.

    Paths in them start from the folder of the label map where they can, so that a volume may be
    mounted elsewhere.

    Args:
        mirror: Of object storage, where some of the paths may lie.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def find(self, labels: Path) -> Entry | None:
        """What is known of a finished scan; None for one that is not, or a record that is broken.

        Args:
            labels: Its label map.

        Raises:
            StorageError: The store cannot be asked.
            OutputError: The same of a file here.
        """
        found = self._read(_place_of(labels, _ENDING))
        return found if isinstance(found, Entry) else None

    def read(self, path: Path) -> tuple[Path, Entry | FailedEntry] | None:
        """A label map, and what a record tells of it; None for a file that is no record.

        Args:
            path: The record.

        Raises:
            StorageError: The store cannot be asked.
            OutputError: The same of a file here.
        """
        found = self._read(path)
        if found is None:
            return None
        ending = _ENDING if isinstance(found, Entry) else _FAILED_ENDING
        return path.parent.parent / path.name.removesuffix(ending), found

    def append(self, labels: Path, entry: Entry) -> None:
        """Records a finished scan: from now on it counts.

        Raises:
            OutputError: It cannot be written.
            StorageError: The same of object storage.
        """
        home = labels.parent.absolute()
        portable = replace(
            entry,
            scan=self._mirror.told(entry.scan),
            outputs={self._relative(path, home): v for path, v in entry.outputs.items()},
            versions={self._relative(path, home): v for path, v in entry.versions.items()},
        )
        self._write(_place_of(labels, _ENDING), {"format": _FORMAT, **portable.to_json()})

    def append_failure(self, labels: Path, entry: FailedEntry) -> None:
        """Records a scan that failed.

        Raises:
            OutputError: It cannot be written.
            StorageError: The same of object storage.
        """
        told = {key: self._mirror.told(value) for key, value in entry.to_json().items()}
        self._write(_place_of(labels, _FAILED_ENDING), {"format": _FAILURE, **told})

    def _write(self, path: Path, told: Mapping[str, object]) -> None:
        write_text(path, json.dumps(told, separators=(",", ":")) + "\n")
        self._mirror.push(path)
        self._mirror.remove(path)

    def _read(self, path: Path) -> Entry | FailedEntry | None:
        content = self._mirror.pull(path)
        if content is None:
            return None
        try:
            record: dict[str, Any] = json.loads(content)
            kind = record.pop("format")
            if kind == _FAILURE:
                return FailedEntry(**record)
            entry = Entry.from_json(record) if kind == _FORMAT else None
        except (ValueError, TypeError, LookupError, AttributeError):
            return None
        home = path.parent.parent.absolute()
        return entry and replace(
            entry,
            outputs={self._absolute(name, home): v for name, v in entry.outputs.items()},
            versions={self._absolute(name, home): v for name, v in entry.versions.items()},
        )

    def _relative(self, path: str, home: Path) -> str:
        if self._mirror.address_of(Path(path)) is None and self._mirror.address_of(home) is None:
            return os.path.relpath(path, home)
        if Path(path).is_relative_to(home):
            return Path(path).relative_to(home).as_posix()
        return self._mirror.told(path)

    def _absolute(self, name: str, home: Path) -> str:
        if is_address(name):
            return str(self._mirror.path_of(name))
        return os.path.normpath(home / name)


def _place_of(labels: Path, ending: str) -> Path:
    return labels.parent / RECORDS / f"{labels.name}{ending}"

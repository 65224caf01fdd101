"""What earlier runs finished, and where this one records what it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from synthseg_client.batch.reading import digest_of
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.tasks import ScanTask
from synthseg_client.errors import OutputError
from synthseg_client.inputs.places import is_there
from synthseg_client.results.journal import Entry, FailedEntry, Journal, sha256_of
from synthseg_client.results.scan_records import ScanRecords
from synthseg_client.storage.addresses import is_address


class History:
    """Records of finished scans: a journal, or one file for each where several runs write.

    Args:
        settings: Where this run records, and whether it goes on with earlier ones.
    """

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._mirror = settings.mirror
        self._journal = Journal(settings.journal) if settings.journal else None
        self._records = ScanRecords(settings.mirror)
        self._known = self._journal.read() if self._journal and settings.resume else {}

    def entry_of(self, task: ScanTask, model: str) -> Entry | None:
        """What an earlier run recorded of a scan, if its results are whole and still true.

        Args:
            task: The scan.
            model: Fingerprint of the models that would be asked.

        Raises:
            StorageError: Object storage cannot be asked.
            OutputError: The scan went away while it was read.
        """
        if not self._settings.resume:
            return None
        options = self._settings.options.fingerprint()
        return next(
            (
                entry
                for entry in self._entries(task.labels)
                if (entry.options, entry.model) == (options, model)
                and self._is_of(entry, task)
                and self._is_complete(entry, task.files(self._settings.beside()))
            ),
            None,
        )

    def refuse_other_scan(self, task: ScanTask) -> None:
        """Refuses to replace what was made of another scan that is still there.

        Raises:
            OutputError: It would.
        """
        if not self._settings.by_scan:
            return  # journals are looked through when the run is planned
        entry = self._records.find(task.labels)
        told = self._mirror.told(str(task.scan.absolute()))
        if entry is None or entry.scan == told or not self._is_anywhere(entry.scan):
            return
        raise OutputError(
            f"{task.scan}: {task.labels} was made of another scan, {entry.scan}: choose another "
            "folder, or give both scans at once."
        )

    def add(self, task: ScanTask, entry: Entry) -> None:
        """Records a finished scan.

        Raises:
            OutputError: It cannot be written.
            StorageError: The same of object storage.
        """
        if self._settings.by_scan:
            self._records.append(task.labels, entry)
        elif self._journal is not None:
            self._journal.append(task.labels, entry)

    def add_failure(self, task: ScanTask, error: str) -> None:
        """Records a scan that failed; the errors are those of `add`."""
        told = FailedEntry(str(task.scan.absolute()), error, task.series_name)
        if self._settings.by_scan:
            self._records.append_failure(task.labels, told)
        elif self._journal is not None:
            self._journal.append_failure(task.labels, told)

    def _entries(self, labels: Path) -> Iterator[Entry]:
        """What is recorded under a label map, in either way."""
        known = self._known.get(str(labels.absolute()))
        if known is not None:
            yield known
        if self._settings.by_scan or self._journal is not None:
            recorded = self._records.find(labels)
            if recorded is not None:
                yield recorded

    def _is_of(self, entry: Entry, task: ScanTask) -> bool:
        """Whether a scan is the one that the results were made of; none is downloaded for it."""
        if self._mirror.address_of(task.scan) is not None:
            return bool(entry.scan_version) and entry.scan_version == self._mirror.version(
                task.scan
            )
        return is_there(task.scan) and entry.scan_sha256 == digest_of(task)

    def _is_complete(self, entry: Entry, wanted: Sequence[Path]) -> bool:
        for path in wanted:
            key = str(path.absolute())
            written = entry.outputs.get(key)
            if written is None or (written and not self._is_whole(path, entry, written)):
                return False
        return True

    def _is_whole(self, path: Path, entry: Entry, written: str) -> bool:
        if self._mirror.address_of(path) is None:
            return path.is_file() and sha256_of(path) == written
        return entry.versions.get(str(path.absolute())) == self._mirror.version(path)

    def _is_anywhere(self, scan: str) -> bool:
        """Whether a scan is there, by the name in a record."""
        if is_address(scan):
            return bool(self._mirror.version(self._mirror.path_of(scan)))
        return is_there(Path(scan))

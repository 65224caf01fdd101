"""The scan of a task, whatever kind of file it is."""

from __future__ import annotations

from dataclasses import replace

from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.tasks import ScanTask
from synthseg_client.errors import OutputError
from synthseg_client.inputs.scans import Scan, read_scan
from synthseg_client.results.journal import scan_digest


def read_task(task: ScanTask, settings: BatchSettings) -> Scan:
    """Reads the scan of a task.

    Args:
        task: What to read.
        settings: How it will be segmented; what does not go with it is warned of.

    Raises:
        ScanError: It is missing, broken, or nothing that can be segmented.
    """
    if task.series is None:
        return read_scan(task.scan, average_volumes=settings.average_volumes)
    from synthseg_client.dicom.conversion import read_series

    scan = read_series(task.series)
    ct = settings.options.ct
    if (task.series.modality == "CT") == ct:
        return scan
    note = "--ct was given, but it is no CT" if ct else "it is a CT: segment it with --ct"
    return replace(scan, warnings=(*scan.warnings, note))


def digest_of(task: ScanTask) -> str:
    """Hex digest of all files of a task's scan.

    Raises:
        OutputError: One went away.
    """
    if task.series is not None:
        return task.series.digest()
    try:
        return scan_digest(task.scan)
    except OSError as error:
        raise OutputError(f"{task.scan}: went away while it was read: {error.strerror}.") from error

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dicom_files import Made, write_series
from synthseg_client.batch.reading import digest_of, read_task
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.tasks import ScanTask
from synthseg_client.dicom.choice import find_series
from synthseg_client.errors import OutputError
from synthseg_client.options import Options
from synthseg_client.results.journal import sha256_of


def task_of(source: Path) -> ScanTask:
    (series,) = find_series(source)
    return ScanTask(source, source.with_suffix(".nii"), series=series)


def test_a_file_is_read_as_ever(tmp_path: Path, save_scan: Callable[..., Path]) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    task = ScanTask(scan, tmp_path / "l.nii.gz")
    assert read_task(task, BatchSettings()).path == scan
    assert digest_of(task) == sha256_of(scan)
    scan.unlink()
    with pytest.raises(OutputError, match="went away"):
        digest_of(task)


def test_dicom_is_converted(tmp_path: Path) -> None:
    write_series(tmp_path / "x")
    task = task_of(tmp_path / "x")
    assert task.series is not None
    assert read_task(task, BatchSettings()).image.shape == (40, 36, 24)
    assert digest_of(task) == task.series.digest()


@pytest.mark.parametrize(
    ("modality", "ct", "told"),
    [
        ("MR", False, ""),
        ("CT", True, ""),
        ("CT", False, "it is a CT: segment it with --ct"),
        ("MR", True, "--ct was given, but it is no CT"),
    ],
)
def test_an_option_that_does_not_go_with_the_scan_is_told(
    tmp_path: Path, modality: str, ct: bool, told: str
) -> None:
    write_series(tmp_path / "x", Made(modality=modality))
    warnings = read_task(task_of(tmp_path / "x"), BatchSettings(options=Options(ct=ct))).warnings
    assert [note for note in warnings if "CT" in note] == ([told] if told else [])

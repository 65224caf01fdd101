from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from dicom_files import write_series
from synthseg_client.dicom.recognition import (
    files_below,
    is_dicom,
    is_dicom_file,
    is_dicom_source,
)

EXPLICIT = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
IMPLICIT = b"\x08\x00\x00\x00\x04\x00\x00\x00\x12\x01\x00\x00"


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"\0" * 128 + b"DICM", True),
        (EXPLICIT, True),
        (IMPLICIT, True),
        (b"", False),
        (b"\x08\x00", False),
        (b"\x1f\x8b\x08\x00" + b"x" * 200, False),
        (b"subject,volume\n" * 20, False),
        (b"\x08\x00\x05\x00CS\xff\xff" + b"x" * 200, False),
        (b"\x08\x00\xff\x10CS\x0a\x00", False),
    ],
)
def test_dicom_is_told_by_its_first_bytes(first: bytes, expected: bool) -> None:
    assert is_dicom(first) is expected


def test_a_folder_of_dicom_files_is_a_source_however_deep_they_lie(tmp_path: Path) -> None:
    write_series(tmp_path / "a" / "b" / "c")
    (tmp_path / "readme.txt").write_text("a disk of a clinic")
    assert is_dicom_source(tmp_path)
    assert is_dicom_source(tmp_path / "a" / "b" / "c" / "IM0000")


def test_a_folder_of_scans_is_none_even_with_dicom_below(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    (tmp_path / "scan.nii.gz").touch()
    assert not is_dicom_source(tmp_path)


def test_a_folder_of_folders_of_scans_is_none(tmp_path: Path) -> None:
    (tmp_path / "anat").mkdir()
    (tmp_path / "anat" / "scan.nii.gz").touch()
    write_series(tmp_path / "later")
    assert not is_dicom_source(tmp_path)


def test_a_zip_is_a_source_by_content(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("x", "y")
    (tmp_path / "b.zip").write_text("no zip")
    assert is_dicom_source(tmp_path / "a.zip")
    assert not is_dicom_source(tmp_path / "b.zip")


def test_what_is_not_there_and_what_blocks_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_dicom_file(tmp_path / "pipe")
    assert not is_dicom_source(tmp_path / "none")
    assert not is_dicom_source(tmp_path)


def test_files_come_sorted(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in files_below(tmp_path)]
    assert found == ["a/3", "b/1", "b/2"]

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import Made, write_series
from synthseg_client.dicom.series import DicomSeries, UnusableSource
from synthseg_client.dicom.sources import with_series
from synthseg_client.errors import ScanError, UsageError

TOO_FEW = Made(shape=(40, 36, 3))


def names(found: list[str | DicomSeries | UnusableSource]) -> list[str]:
    return [one if isinstance(one, str) else one.source.name for one in found]


def test_what_is_not_dicom_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").touch()
    words = [str(tmp_path), "none.nii", str(tmp_path / "*.nii.gz")]
    assert with_series(words) == words


def test_folders_patterns_and_lists_of_dicom_become_series(tmp_path: Path) -> None:
    for name in "ab":
        write_series(tmp_path / name)
    (tmp_path / "c.nii.gz").touch()
    assert names(with_series([str(tmp_path / "a")])) == ["a"]
    pattern = with_series([str(tmp_path / "*")])
    assert names(pattern) == [str(tmp_path / "c.nii.gz"), "a", "b"]
    listing = tmp_path / "list.txt"
    listing.write_text(f"{tmp_path / 'b'}\n{tmp_path / 'c.nii.gz'}\n")
    assert names(with_series([str(listing)])) == [str(tmp_path / "c.nii.gz"), "b"]


def test_a_source_that_is_named_twice_is_one(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    assert len(with_series([str(tmp_path / "a"), f"{tmp_path}/./a/"])) == 1


def test_one_of_many_that_is_unusable_fails_alone(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", TOO_FEW)
    first, second = with_series([str(tmp_path / "a"), str(tmp_path / "b")])
    assert isinstance(first, DicomSeries)
    assert isinstance(second, UnusableSource)
    assert "has 3 slices" in second.reason


def test_all_of_them_unusable_is_an_error(tmp_path: Path) -> None:
    write_series(tmp_path / "b", TOO_FEW)
    with pytest.raises(ScanError, match="has 3 slices"):
        with_series([str(tmp_path / "b")])


def test_a_series_of_what_is_not_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").touch()
    with pytest.raises(UsageError, match="--series: nothing that --i names is DICOM"):
        with_series([str(tmp_path)], "3")

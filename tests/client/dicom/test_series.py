from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import rewrite, write_series
from synthseg_client.dicom.choice import find_series
from synthseg_client.dicom.series import UnusableSource
from synthseg_client.errors import OutputError


def test_the_digest_is_of_all_files_and_of_nothing_else(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a")
    (series,) = find_series(tmp_path / "a")
    before = series.digest()
    (tmp_path / "a" / "notes").write_text("hello")
    assert find_series(tmp_path / "a")[0].digest() == before
    rewrite(paths[-1:], lambda data: setattr(data, "SeriesDescription", "another"))
    assert find_series(tmp_path / "a")[0].digest() != before


def test_it_is_called_as_its_source_and_lies_beside_it(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    (series,) = find_series(tmp_path / "a")
    assert series.named_path == tmp_path / "a"
    assert series.modality == "MR"


def test_a_file_that_went_away_is_told(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a")
    (series,) = find_series(tmp_path / "a")
    paths[3].unlink()
    with pytest.raises(OutputError, match="went away"):
        series.digest()


def test_a_source_without_series_keeps_its_reason(tmp_path: Path) -> None:
    assert UnusableSource(tmp_path, "why").reason == "why"

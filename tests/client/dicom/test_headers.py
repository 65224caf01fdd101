from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import AXIAL, Made, rewrite, write_multi_frame, write_series
from pydicom.dataset import Dataset
from synthseg_client.dicom.archive import Packed, Reader
from synthseg_client.dicom.headers import Header, read_header


def read(path: Path) -> Header | None:
    with Reader() as reader:
        return read_header(Packed(path), reader)


def header(path: Path) -> Header:
    found = read(path)
    assert found is not None
    return found


def test_a_file_of_one_slice(tmp_path: Path) -> None:
    found = header(write_series(tmp_path)[2])
    assert (found.modality, found.series_number, found.order) == ("MR", 4, (0, 3))
    assert found.size == (40, 36)
    assert found.kinds == ("ORIGINAL", "PRIMARY", "OTHER")
    (place,) = found.places
    assert place.position == (-31.5, 12.25, -34.0)
    assert place.pixel_mm == (2.0, 1.5)
    assert place.echo_ms == 2.5


def test_a_file_of_many_slices(tmp_path: Path) -> None:
    found = header(write_multi_frame(tmp_path / "x"))
    assert found.is_multi_frame
    assert [place.number for place in found.places] == list(range(1, 25))
    assert found.places[3].position[2] == -31.0
    assert found.places[3].orientation == AXIAL


def test_no_word_about_the_patient_is_kept(tmp_path: Path) -> None:
    words = repr(header(write_series(tmp_path / "Doe")[0]).places) + repr(
        header(write_series(tmp_path / "b")[0])
    )
    assert not any(word in words for word in ("Jane", "SECRET", "1961", "made up", "20200304"))


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "phase"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, "magnitude"),
        ({"ComplexImageComponent": "REAL"}, "real"),
        ({}, ""),
    ],
)
def test_the_part_of_a_complex_image(tmp_path: Path, fields: dict[str, object], part: str) -> None:
    assert header(write_series(tmp_path, Made(fields=fields))[0]).places[0].part == part


def test_files_that_say_nothing_of_their_place_have_none(tmp_path: Path) -> None:
    paths = write_series(tmp_path)[:2]

    def forget(data: Dataset) -> None:
        del data.ImagePositionPatient

    rewrite(paths[:1], forget)
    rewrite(paths[1:], lambda data: setattr(data, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]))
    assert [header(path).places for path in paths] == [(), ()]


def test_what_is_broken_has_no_header(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 300)
    assert read(path) is None
    path.write_bytes(b"\0" * 128 + b"DICM")
    assert read(path) is None

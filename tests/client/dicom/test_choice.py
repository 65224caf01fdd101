from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from dicom_files import SAGITTAL, Made, write_multi_frame, write_series
from synthseg_client.dicom.choice import find_series
from synthseg_client.errors import ScanError, UsageError

STUDY = "1.2.826.0.1.3680043.8.498.1"


def add(
    folder: Path, number: int, shape: tuple[int, int, int] = (40, 36, 12), **fields: object
) -> None:
    made = Made(shape=shape, study=STUDY, fields={"SeriesNumber": number, **fields})
    write_series(folder / f"s{number}", made)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A session as scanners send it."""
    folder = tmp_path / "exam"
    add(folder, 1, (40, 36, 30), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    add(folder, 2, (40, 36, 12))
    add(folder, 3, (40, 36, 20))
    add(folder, 4, (40, 36, 40), ImageType=["DERIVED", "SECONDARY", "MPR"])
    add(folder, 5, (40, 36, 9), SamplesPerPixel=3)
    add(folder, 6, (40, 36, 9), Modality="SEG")
    add(folder, 7, (40, 36, 3))
    add(folder, 8, (40, 36, 60), AngioFlag="Y")
    add(folder, 9, (40, 36, 50), ImageType=["ORIGINAL", "PRIMARY", "P"])
    return folder


def test_an_anatomical_series_with_most_slices_is_taken_and_told(study: Path) -> None:
    (series,) = find_series(study)
    assert series.stack.header.series_number == 3
    assert series.name == "exam_series3"
    (note,) = series.notes
    assert note.startswith("took series 3 of 9 (20 slices): an anatomical volume with most slices")
    assert note.endswith("2, 4, 8, 9")


def test_a_number_a_uid_or_all(study: Path) -> None:
    (second,) = find_series(study, "2")
    assert second.notes == ()
    (again,) = find_series(study, second.stack.header.series)
    assert again.name == second.name == "exam_series2"
    everything = [series.stack.header.series_number for series in find_series(study, "all")]
    assert everything == [2, 3, 4, 8, 9]


def test_a_series_that_is_not_there_is_told_with_those_that_are(study: Path) -> None:
    with pytest.raises(UsageError, match=r"--series 77: .*series 1 is a localizer; series 2 \(MR"):
        find_series(study, "77")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (1, "is a localizer"),
        (5, "is in colour"),
        (6, "is a segmentation"),
        (7, "has 3 slices of one direction"),
    ],
)
def test_what_cannot_be_segmented_is_refused_by_name(study: Path, number: int, why: str) -> None:
    with pytest.raises(ScanError, match=f"exam: series {number} {why}"):
        find_series(study, str(number))


def test_a_source_of_nothing_usable_is_refused_with_each_reason(tmp_path: Path) -> None:
    add(tmp_path / "x", 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    add(tmp_path / "x", 2, Modality="US")
    with pytest.raises(
        ScanError, match="can be segmented: series 1 is a localizer; series 2 is US"
    ):
        find_series(tmp_path / "x")
    (tmp_path / "none").mkdir()
    with pytest.raises(ScanError, match="holds no DICOM image"):
        find_series(tmp_path / "none")


def test_one_slice_of_many_asks_for_the_folder(tmp_path: Path) -> None:
    path = write_series(tmp_path / "x")[0]
    with pytest.raises(ScanError, match="has one slice here: give the folder"):
        find_series(path)


def test_two_series_of_one_number_want_a_uid(tmp_path: Path) -> None:
    for name in "ab":
        write_series(tmp_path / "x" / name, Made(study=STUDY))
    with pytest.raises(UsageError, match="has 2 of this number: give the SeriesInstanceUID"):
        find_series(tmp_path / "x", "4")
    names = [series.name for series in find_series(tmp_path / "x", "all")]
    assert names == ["x_series4", "x_series4-2"]


def test_each_study_gives_one(tmp_path: Path) -> None:
    for number in (1, 2):
        fields: dict[str, object] = {"SeriesNumber": number}
        write_series(tmp_path / "x" / str(number), Made(fields=fields))
    assert [series.name for series in find_series(tmp_path / "x")] == ["x_series1", "x_series2"]


def test_a_file_that_was_copied_twice_is_one(tmp_path: Path) -> None:
    write_series(tmp_path / "x" / "a")
    shutil.copytree(tmp_path / "x" / "a", tmp_path / "x" / "b")
    (series,) = find_series(tmp_path / "x")
    assert series.stack.n_volumes == 1


def test_a_mixed_series_says_what_is_left_out(tmp_path: Path) -> None:
    write_series(tmp_path / "x" / "a", Made(series="1.2.3", study=STUDY))
    other = Made(series="1.2.3", study=STUDY, orientation=SAGITTAL, shape=(40, 36, 2))
    write_series(tmp_path / "x" / "b", other)
    lossy: dict[str, object] = {"LossyImageCompression": "01"}
    write_series(tmp_path / "y", Made(fields=lossy))
    (series,) = find_series(tmp_path / "x")
    assert series.notes == (
        "series 4 is mixed: 2 images of another direction, size, part or echo are left out",
    )
    assert find_series(tmp_path / "y")[0].notes == ("series 4 was compressed with a loss",)


def test_zips_and_files_of_many_slices_lose_their_endings(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as packed:
        for path in paths:
            packed.write(path, f"deep/{path.name}")
    write_multi_frame(tmp_path / "head.dcm")
    assert find_series(tmp_path / "study.zip")[0].name == "study"
    assert find_series(tmp_path / "head.dcm")[0].name == "head"

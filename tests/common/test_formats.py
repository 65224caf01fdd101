from pathlib import Path

import pytest
from synthseg_common.formats import format_of, is_scan_name, other_ending, stem_of
from synthseg_common.images import ENDINGS


@pytest.mark.parametrize(
    ("name", "kind", "stem"),
    [
        ("a.nii.gz", "nifti", "a"),
        ("a.NII", "nifti", "a"),
        ("a.b.mgz", "mgh", "a.b"),
        ("a.img", "analyze", "a"),
        ("a.nrrd", None, "a.nrrd"),
    ],
)
def test_a_name_promises_a_format(name: str, kind: str | None, stem: str) -> None:
    found = format_of(Path(name))
    assert (None if found is None else found.name, stem_of(Path(name))) == (kind, stem)


def test_training_takes_the_formats_that_hold_a_volume_and_its_place_in_one_file() -> None:
    assert ENDINGS == (".nii.gz", ".nii", ".mgz", ".mgh")


@pytest.mark.parametrize(
    ("name", "scan"), [("a.img", True), ("a.hdr", False), (".a.nii", False), ("a.txt", False)]
)
def test_scans_of_a_folder_are_told_by_their_names(name: str, scan: bool) -> None:
    assert is_scan_name(Path(name)) is scan


@pytest.mark.parametrize(
    ("name", "ending"),
    [("a.nii.gz", None), ("a.nii-gz", ".nii-gz"), ("a.nii.bz2", ".nii.bz2"), ("a.v2", None)],
)
def test_names_that_promise_another_kind_of_file_are_known(name: str, ending: str | None) -> None:
    assert other_ending(Path(name)) == ending

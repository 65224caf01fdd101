"""Which files of a folder are images."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_images import nifti
from synthseg_common.images import volume_files, without_ending
from synthseg_generator.errors import LabelError
from synthseg_generator.store.label_map_files import read_headers


def test_images_are_listed_whatever_the_case_of_their_ending(tmp_path: Path) -> None:
    names = ["A.NII", "b.nii.gz", "c.Mgz", "d.mgh"]
    for name in (*names, ".hidden.nii", "._b.nii.gz", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.nii").mkdir()
    assert [path.name for path in volume_files(tmp_path)] == names
    assert [without_ending(name) for name in names] == ["A", "b", "c", "d"]


def test_a_map_that_was_not_fetched_is_told_and_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "good.nii").write_bytes(nifti())
    (tmp_path / "absent.nii").symlink_to(".git/annex/objects/x/y/MD5E-s1--0.nii")
    with pytest.raises(LabelError, match=r"absent\.nii: is a pointer of git-annex"):
        read_headers(tmp_path)

"""Files of the same scans, found in folders."""

from pathlib import Path

import pytest
from nifti_files import save_volume
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.evaluation.image_files import (
    ImageFileError,
)
from synthseg_trainer.evaluation.pairs import match_files


@pytest.fixture
def folders(tmp_path: Path, labels: LabelArray) -> tuple[Path, Path]:
    for name in ("one.nii", "two.nii.gz"):
        save_volume(tmp_path / "truth" / name, labels)
    for name in ("one_synthseg.nii", "one_posteriors.nii"):
        save_volume(tmp_path / "answers" / name, labels)
    return tmp_path / "truth", tmp_path / "answers"


def test_scans_without_an_answer_are_named_and_may_be_left_out(folders: tuple[Path, Path]) -> None:
    with pytest.raises(
        ImageFileError, match=r"answers lacks 1 of the 2 scans in .*: two\.nii\.gz\. "
    ):
        match_files(*folders)
    assert list(match_files(*folders, partial=True)) == ["one"]


def test_other_files_beside_the_answers_do_not_matter(
    folders: tuple[Path, Path], labels: LabelArray
) -> None:
    save_volume(folders[1] / "two.nii", labels)
    matched = match_files(*folders)
    assert {name: paths[1].name for name, paths in matched.items()} == {
        "one": "one_synthseg.nii",
        "two": "two.nii",
    }


def test_a_file_and_a_folder_are_no_pair(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ImageFileError, match="must all be files, or all be folders"):
        match_files(folders[0], folders[1] / "one_synthseg.nii")
    with pytest.raises(ImageFileError, match="nowhere: no such file or folder"):
        match_files(folders[0], folders[0] / "nowhere")


def test_folders_that_share_nothing_are_refused(
    folders: tuple[Path, Path], tmp_path: Path, labels: LabelArray
) -> None:
    save_volume(tmp_path / "others" / "three.nii", labels)
    with pytest.raises(ImageFileError, match="hold no files of the same name"):
        match_files(folders[0], tmp_path / "others")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageFileError, match="empty holds no NIfTI or MGH files"):
        match_files(tmp_path / "empty", folders[0])


def test_a_single_map_that_was_not_fetched_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "map.nii.gz").symlink_to(".git/annex/objects/x/y/MD5E-s1--0")
    with pytest.raises(
        ImageFileError, match=r"map\.nii\.gz: .*git-annex.*datalad get map\.nii\.gz"
    ):
        match_files(tmp_path / "map.nii.gz", tmp_path)

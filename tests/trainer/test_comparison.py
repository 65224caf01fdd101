import csv

import nibabel as nib
import numpy as np
import pytest
from synthseg_trainer.comparison import ComparisonError, compare, write_table


def _save(path, labels, affine=None):
    nib.save(
        nib.Nifti1Image(labels.astype(np.int16), np.eye(4) if affine is None else affine), path
    )
    return path


@pytest.fixture
def labels():
    volume = np.zeros((12, 14, 16), np.int32)
    volume[2:6, 3:11, 4:12] = 3
    volume[6:10, 3:11, 4:12] = 42
    return volume


def test_a_map_agrees_fully_with_itself(tmp_path, labels):
    path = _save(tmp_path / "a.nii.gz", labels)
    (row,) = compare(path, path)
    assert row.scores == {3: 1.0, 42: 1.0}


def test_orientation_and_grid_of_the_files_do_not_matter(tmp_path, labels):
    truth = _save(tmp_path / "truth.nii.gz", labels)
    turned = nib.as_closest_canonical(nib.load(truth)).as_reoriented(
        nib.orientations.axcodes2ornt("LPS", (("L", "R"), ("P", "A"), ("I", "S")))
    )
    answer = tmp_path / "answer.nii.gz"
    nib.save(turned, answer)
    (row,) = compare(truth, answer)
    assert row.mean == 1.0


def test_parcels_count_as_cortex_when_asked(tmp_path, labels):
    parcels = np.where(labels == 3, 1005, np.where(labels == 42, 2035, 0))
    truth, answer = _save(tmp_path / "t.nii", parcels), _save(tmp_path / "a.nii", labels)
    (row,) = compare(truth, answer, merge_parcels=True)
    assert row.scores == {3: 1.0, 42: 1.0}
    with pytest.raises(ComparisonError, match="no label in common"):
        compare(truth, answer)


def test_folders_are_matched_by_name_and_other_files_are_ignored(tmp_path, labels):
    for folder in ("truth", "answers"):
        (tmp_path / folder).mkdir()
        _save(tmp_path / folder / "one.nii.gz", labels)
    (tmp_path / "answers" / "notes.txt").write_text("not a map")
    _save(tmp_path / "answers" / "one_posteriors.nii.gz", labels)
    rows = compare(tmp_path / "truth", tmp_path / "answers")
    assert [row.name for row in rows] == ["one.nii.gz"]


def test_table_has_a_row_per_scan_and_a_column_per_label(tmp_path, labels):
    path = _save(tmp_path / "a.nii.gz", labels)
    write_table(tmp_path / "dice.csv", compare(path, path))
    with (tmp_path / "dice.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows == [["subject", "3", "42", "mean"], ["a.nii.gz", "1.0000", "1.0000", "1.0000"]]


def test_missing_and_broken_files_are_named(tmp_path, labels):
    path = _save(tmp_path / "a.nii.gz", labels)
    with pytest.raises(ComparisonError, match=r"none\.nii: no such file"):
        compare(tmp_path / "none.nii", path)
    broken = tmp_path / "broken.nii.gz"
    broken.write_text("text")
    with pytest.raises(ComparisonError, match=r"broken\.nii\.gz is no readable label map"):
        compare(broken, path)

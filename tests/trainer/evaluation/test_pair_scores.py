"""One map against another: what is measured, and on which voxels."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nifti_files import save_volume
from synthseg_common.arrays import FloatArray
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.evaluation.comparison import (
    ComparisonError,
    Scores,
    compare,
)
from synthseg_trainer.evaluation.pair_scores import Scoring
from synthseg_trainer.evaluation.pairs import match_files


def _scores(truth: Path, answer: Path, **scoring: Any) -> Scores:
    return compare(match_files(truth, answer), Scoring(**scoring))


def test_a_map_agrees_fully_with_itself(tmp_path: Path, labels: LabelArray) -> None:
    path = save_volume(tmp_path / "a.nii.gz", labels)
    scores = _scores(path, path, distances=True)
    assert scores.scans == ("a",)
    assert scores.labels.values == (3, 42)
    np.testing.assert_array_equal(scores.values["dice"], [[1, 1, 1]])
    for metric in ("hausdorff", "hausdorff_99", "hausdorff_95", "mean_distance"):
        np.testing.assert_array_equal(scores.values[metric], [[0, 0, 0]])


def test_orientation_and_grid_of_the_files_do_not_matter(
    tmp_path: Path, labels: LabelArray
) -> None:
    truth = save_volume(tmp_path / "truth.nii.gz", labels)
    turned = nib.as_closest_canonical(nib.load(truth)).as_reoriented(
        nib.orientations.axcodes2ornt("LPS", (("L", "R"), ("P", "A"), ("I", "S")))
    )
    answer = tmp_path / "answer.nii.gz"
    nib.save(turned, answer)
    finer = save_volume(
        tmp_path / "finer.nii", labels.repeat(2, 0), np.diag([0.5, 1, 1, 1]) @ _shift(-0.5)
    )
    assert _scores(truth, answer).means() == [1.0]
    assert _scores(truth, finer).means() == [1.0]


def _shift(x: float) -> FloatArray:
    affine = np.eye(4)
    affine[0, 3] = x
    return affine


def test_distances_follow_the_voxel_size_of_the_answer(tmp_path: Path, labels: LabelArray) -> None:
    affine = np.diag([3.0, 1.0, 1.0, 1.0])
    truth = save_volume(tmp_path / "truth.nii", labels, affine)
    answer = save_volume(tmp_path / "answer.nii", np.roll(labels, 1, 0), affine)
    assert _scores(truth, answer, distances=True).values["hausdorff"][0, 0] == 3
    in_voxels = _scores(truth, answer, distances=True, voxels=True)
    assert in_voxels.values["hausdorff"][0, 0] == 1


def test_parcels_count_as_cortex_when_asked(tmp_path: Path, labels: LabelArray) -> None:
    parcels = np.where(labels == 3, 1005, np.where(labels == 42, 2035, 0))
    truth, answer = (
        save_volume(tmp_path / "t.nii", parcels),
        save_volume(tmp_path / "a.nii", labels),
    )
    assert _scores(truth, answer, merge_parcels=True).means() == [1.0]
    with pytest.raises(ComparisonError, match="no label in common"):
        _scores(truth, answer)

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nifti_files import save_volume
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.errors import TrainerError
from synthseg_trainer.evaluation import comparison
from synthseg_trainer.evaluation.comparison import (
    Coverage,
    Scores,
    compare,
    compare_sets,
)
from synthseg_trainer.evaluation.label_lists import LabelList
from synthseg_trainer.evaluation.pair_scores import PairScores, Scoring
from synthseg_trainer.evaluation.pairs import match_files


def _scores(truth: Path, answer: Path, **scoring: Any) -> Scores:
    return compare(match_files(truth, answer), Scoring(**scoring))


def test_a_structure_that_one_scan_misses_scores_zero(tmp_path: Path, labels: LabelArray) -> None:
    for name in ("one.nii", "two.nii"):
        save_volume(tmp_path / "truth" / name, labels)
        seen = labels if name == "one.nii" else np.where(labels == 3, 0, labels)
        save_volume(tmp_path / "answers" / name, seen)
    scores = _scores(tmp_path / "truth", tmp_path / "answers", distances=True)
    np.testing.assert_array_equal(scores.values["dice"][:, :2], [[1, 1], [0, 1]])
    assert np.isnan(scores.values["hausdorff"][1, 0])
    np.testing.assert_array_equal(scores.means("hausdorff"), [0, 0])


def test_labels_that_one_set_does_not_know_are_left_out_and_said(
    tmp_path: Path, labels: LabelArray
) -> None:
    truth = save_volume(tmp_path / "t.nii", np.where(labels == 3, 77, labels))
    answer = save_volume(tmp_path / "a.nii", labels)
    scores = _scores(truth, answer)
    assert scores.labels.values == (42,)
    assert scores.coverage == Coverage(truth_alone=(77,), answers_alone=(3,))
    # Asked for, they are scored.
    asked = _scores(truth, answer, labels=LabelList((3, 42), ("a", "b")))
    np.testing.assert_array_equal(asked.values["dice"], [[0, 1, 1]])


def test_what_one_method_never_finds_is_scored_if_the_other_finds_it(
    tmp_path: Path, labels: LabelArray
) -> None:
    truth = save_volume(tmp_path / "t.nii", np.where(labels == 42, 77, labels))
    one = save_volume(tmp_path / "one.nii", np.where(labels == 42, 78, labels))
    other = save_volume(tmp_path / "other.nii", np.where(labels == 3, 79, labels // 42 * 77))
    for answers in ((one, other), (other, one)):
        sets = [match_files(truth, answer) for answer in answers]
        found = dict(zip(answers, compare_sets(sets, Scoring()), strict=True))
        assert {scores.labels.values for scores in found.values()} == {(3, 77)}
        np.testing.assert_array_equal(found[one].values["dice"][0, :2], [1, 0])
        np.testing.assert_array_equal(found[other].values["dice"][0, :2], [0, 1])
        assert found[one].coverage == Coverage(answers_alone=(78,), never_found=(77,))
        assert found[other].coverage == Coverage(answers_alone=(79,), never_found=(3,))


def test_processes_give_the_same_scores(tmp_path: Path, labels: LabelArray) -> None:
    for number in range(3):
        save_volume(tmp_path / "truth" / f"{number}.nii", labels)
        save_volume(tmp_path / "answers" / f"{number}.nii", np.roll(labels, number, 1))
    pairs = match_files(tmp_path / "truth", tmp_path / "answers")
    scoring = Scoring(distances=True)
    alone, together = (compare(pairs, scoring, jobs=jobs) for jobs in (1, 2))
    assert alone.scans == together.scans == ("0", "1", "2")
    for metric, values in alone.values.items():
        np.testing.assert_array_equal(values, together.values[metric])


def test_everything_equals_the_original_s_arrays(shared_data: Path) -> None:
    folder = shared_data / "reference" / "evaluate"
    with np.load(folder / "dice_and_distances.npz") as recorded:
        values = tuple(int(value) for value in recorded["labels"])
    labels = LabelList(values, tuple(map(str, values)))
    scores = _scores(folder / "gt", folder / "seg", labels=labels, distances=True, as_original=True)
    assert scores.scans == ("sub0", "sub1")
    for metric, found in scores.values.items():
        expected = np.load(folder / f"out_{metric}.npy")
        np.testing.assert_allclose(found.T, expected, rtol=1e-12, err_msg=metric)


def test_what_the_original_fills_in_has_no_score_here(shared_data: Path) -> None:
    folder = shared_data / "reference" / "evaluate"
    labels = LabelList((17, 99), ("hippocampus", "absent"))
    scores = _scores(folder / "gt", folder / "seg", labels=labels, distances=True, voxels=True)
    for values in scores.values.values():
        assert np.isnan(values[:, 1]).all()
        assert np.isfinite(values[:, [0, 2]]).all()


def test_a_killed_process_is_said_in_one_line() -> None:
    with pytest.raises(TrainerError, match="fewer --jobs"):
        list(comparison._each(_be_killed, [(Path("a"),), (Path("b"),)], jobs=2))


def _be_killed(_: tuple[Path, ...]) -> PairScores:
    os._exit(1)

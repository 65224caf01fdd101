from pathlib import Path

import numpy as np
import pytest
from synthseg_trainer.evaluation.overlap import ORIGINAL_EPSILON, dice_of_masks, dice_scores


def test_dice_is_worked_out_by_hand() -> None:
    truth = np.array([[[0, 1, 1, 2]]])
    answer = np.array([[[0, 1, 2, 2]]])
    assert dice_scores(truth, answer, [1, 2]) == pytest.approx([2 / 3, 2 / 3])


def test_order_of_labels_is_that_asked_for_and_others_are_ignored() -> None:
    truth = np.array([7, 7, 3, 9])
    answer = np.array([7, 3, 3, 4])
    assert dice_scores(truth, answer, [7, 3]) == pytest.approx([2 / 3, 2 / 3])


def test_label_in_neither_has_no_score() -> None:
    assert np.isnan(dice_scores(np.zeros(4, int), np.zeros(4, int), [5])[0])


def test_missed_label_scores_zero() -> None:
    assert dice_scores(np.array([5, 0]), np.array([0, 0]), [5])[0] == 0


def test_soft_dice_is_worked_out_by_hand() -> None:
    truth = np.array([True, True, False, False])
    probability = np.array([1.0, 0.5, 0.5, 0.0], np.float32)
    assert dice_of_masks(truth, probability) == pytest.approx(2 * 1.5 / (2 + 2))
    assert np.isnan(dice_of_masks(truth & False, probability * 0))


def test_dice_equals_the_original_s(shared_data: Path) -> None:
    with np.load(shared_data / "reference/evaluate/dice_and_distances.npz") as recorded:
        truth, answer = recorded["x"], recorded["y"]
        for labels, expected in (
            (recorded["labels"], recorded["fast_dice"]),
            (recorded["labels_unsorted"], recorded["fast_dice_unsorted"]),
        ):
            found = dice_scores(truth, answer, labels, epsilon=ORIGINAL_EPSILON)
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        overlap = dice_of_masks(truth == 2, answer == 2)
        assert overlap == pytest.approx(float(recorded["dice_label2"]), rel=1e-12)

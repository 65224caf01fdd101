import numpy as np
import pytest
from synthseg_trainer.evaluate import dice_scores


def test_dice_is_worked_out_by_hand():
    truth = np.array([[[0, 1, 1, 2]]])
    answer = np.array([[[0, 1, 2, 2]]])
    assert dice_scores(truth, answer, [1, 2]) == pytest.approx([2 / 3, 2 / 3])


def test_order_of_labels_is_that_asked_for_and_others_are_ignored():
    truth = np.array([7, 7, 3, 9])
    answer = np.array([7, 3, 3, 4])
    assert dice_scores(truth, answer, [7, 3]) == pytest.approx([2 / 3, 2 / 3])


def test_label_in_neither_has_no_score():
    assert np.isnan(dice_scores(np.zeros(4, int), np.zeros(4, int), [5])[0])


def test_missed_label_scores_zero():
    assert dice_scores(np.array([5, 0]), np.array([0, 0]), [5])[0] == 0

import numpy as np
import pytest
from synthseg_trainer.evaluation.paired_tests import cohens_d, paired_test


def test_five_scans_that_all_score_better_are_one_chance_in_sixteen() -> None:
    first = np.array([0.8, 0.7, 0.9, 0.6, 0.75])
    test = paired_test(first, first - np.array([0.01, 0.02, 0.03, 0.04, 0.05]))
    assert test.p_value == pytest.approx(2 / 2**5)
    assert test.count == 5
    assert test.first_mean > test.second_mean


def test_cohen_s_d_weighs_variances_as_the_original_does() -> None:
    # Both variances are 2/3 when divided by n, as the original divides; by n - 1 they are 1.
    first, second = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])
    assert cohens_d(first, second) == pytest.approx(-1 / np.sqrt(2 / 3))


def test_equal_scores_do_not_differ() -> None:
    scores = np.array([0.5, 0.6, 0.7])
    test = paired_test(scores, scores)
    assert (test.p_value, test.cohens_d) == (1.0, 0.0)


def test_scans_without_a_score_in_both_do_not_count() -> None:
    first, second = np.array([0.5, np.nan, 0.7, 0.6]), np.array([0.4, 0.6, np.nan, 0.3])
    assert paired_test(first, second).count == 2
    nothing = paired_test(first[1:2], second[1:2])
    assert nothing.count == 0
    assert np.isnan(nothing.p_value)


def test_scores_without_spread_have_no_effect_size() -> None:
    assert np.isnan(cohens_d(np.full(3, 0.5), np.full(3, 0.4)))
    assert np.isnan(cohens_d(np.array([0.5]), np.array([0.4])))

import numpy as np
import pytest

from bench import confidence


def test_entropy_of_even_odds_is_the_logarithm_of_their_number() -> None:
    columns = np.array([[0.5, 1.0], [0.5, 0.0]], np.float32)

    np.testing.assert_allclose(confidence.entropies(columns), [np.log(2), 0], atol=1e-6)


def test_doubts_by_hand() -> None:
    # Three voxels: two of label 1 with 0.9 and 0.7, one of label 2 with 0.6.
    probability = np.array([[0.9, 0.7, 0.4], [0.1, 0.3, 0.6]], np.float32)
    found = confidence.doubts(np.array([1, 1, 2]), probability, np.array([0, 2.0, 1.0]))

    np.testing.assert_allclose(found[confidence.WINNER][1:], [1 - 0.8, 1 - 0.6], rtol=1e-6)
    own = [1 - 2 * 1.6 / (2 + 2), 1 - 2 * 0.6 / (1 + 1)]
    np.testing.assert_allclose(found[confidence.OWN_DICE][1:], own, rtol=1e-6)
    first, second, third = confidence.entropies(probability)
    np.testing.assert_allclose(found[confidence.ENTROPY][1:], [(first + second) / 2, third])


def test_a_label_that_wins_nowhere_has_no_doubt() -> None:
    found = confidence.doubts(np.array([1]), np.ones((1, 1), np.float32), np.array([0.0, 1, 0]))

    assert all(np.isnan(values[2]) for values in found.values())
    assert found[confidence.OWN_DICE][1] == 0


def test_spearman_looks_at_ranks_and_leaves_gaps_out() -> None:
    assert confidence.spearman([1, 2, np.nan, 100], [9, 8, 50, 1]) == pytest.approx(-1)


def test_spearman_of_what_does_not_vary_is_unknown() -> None:
    assert np.isnan(confidence.spearman([1, 1, 1], [1, 2, 3]))
    assert np.isnan(confidence.spearman([1, 2], [1, 2]))


def test_area_is_one_where_every_bad_one_has_more_doubt() -> None:
    bad = np.array([False, True, False, True])

    assert confidence.area_under_roc([0.1, 0.8, 0.2, 0.9], bad) == 1
    assert confidence.area_under_roc([0.8, 0.1, 0.9, 0.2], bad) == 0
    assert confidence.area_under_roc([0.5, 0.5, 0.5, 0.5], bad) == 0.5


def test_area_counts_the_pairs_that_are_in_order() -> None:
    # Of the pairs (bad, good) with 3 against 1 and 4, and 2 against 1 and 4, two are.
    assert confidence.area_under_roc([3, 1, 4, 2], np.array([True, False, False, True])) == 0.5


def test_area_is_unknown_without_bad_ones_and_leaves_gaps_out() -> None:
    assert np.isnan(confidence.area_under_roc([1, 2], np.array([False, False])))
    gaps = [1, 2, np.nan]
    assert confidence.area_under_roc(gaps, np.array([False, True, False])) == 1


def test_centred_takes_each_column_s_mean_away() -> None:
    values = np.array([[1.0, 10], [3, np.nan]])

    np.testing.assert_array_equal(confidence.centred(values), [[-1, 0], [1, np.nan]])

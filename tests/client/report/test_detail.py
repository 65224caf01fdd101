from __future__ import annotations

import pytest
from synthseg_client.report.detail import BUDGET_BYTES, FULL, MEDIUM, SMALL, detail_for, viewers_for


@pytest.mark.parametrize("scans", [0, 1, 50, 322, 323, 752, 753, 2000])
def test_pages_and_viewers_fit_the_budget(scans: int) -> None:
    weight = scans * detail_for(scans).page_bytes + viewers_for(scans) * 230_000
    assert weight <= BUDGET_BYTES
    assert viewers_for(scans) <= scans


def test_few_scans_are_shown_in_full_and_all_in_the_viewer() -> None:
    assert detail_for(100) == FULL
    assert viewers_for(100) == 100


def test_hundreds_are_shown_a_little_smaller_and_many_of_them_in_the_viewer() -> None:
    assert detail_for(500) == MEDIUM
    assert 200 < viewers_for(500) < 500


def test_many_scans_are_shown_smaller_and_the_first_in_the_viewer() -> None:
    assert detail_for(2000) == SMALL
    assert 0 < viewers_for(2000) < 200

from __future__ import annotations

import pytest
from synthseg_client.report.structures import measures_of, rows_of, total_mm3, total_name

VOLUMES = {
    "total intracranial": 1000.0,
    "left thalamus": 30.0,
    "csf": 500.0,
    "right thalamus": 10.0,
    "left only": 1.0,
    "ctx-lh-insula": 5.0,
    "ctx-rh-insula": 5.0,
}


def test_both_sides_share_a_row_in_the_order_of_the_table() -> None:
    rows = rows_of(VOLUMES)
    assert [(r.name, r.left_mm3, r.right_mm3, r.is_parcel) for r in rows] == [
        ("thalamus", 30, 10, False),
        ("csf", 500, None, False),
        ("left only", 1, None, False),
        ("insula", 5, 5, True),
    ]


def test_asymmetry_is_the_difference_of_the_mean_in_percent() -> None:
    thalamus, csf, _, insula = rows_of(VOLUMES)
    assert thalamus.asymmetry_percent == pytest.approx(100 * 20 / 20)
    assert csf.asymmetry_percent is None
    assert insula.asymmetry_percent == 0
    assert rows_of({"left a": 0.0, "right a": 0.0})[0].asymmetry_percent is None


def test_scans_are_compared_by_volumes_and_asymmetries_but_not_those_of_parcels() -> None:
    assert set(measures_of(VOLUMES)) - set(VOLUMES) == {"asymmetry of thalamus"}


def test_the_total_is_that_of_the_table_or_of_all_labels() -> None:
    assert (total_mm3(VOLUMES), total_name(VOLUMES)) == (1000, "Intracranial volume")
    others = {"heart": 2.0, "liver": 3.0}
    assert (total_mm3(others), total_name(others)) == (5, "Volume of all labels")
    assert total_mm3({}) is None

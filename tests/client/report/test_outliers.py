from __future__ import annotations

import numpy as np
import pytest
from synthseg_client.report.outliers import FAR_Z, LEAST_SCANS, Spread, far, spreads


def test_robust_z_as_worked_out_by_hand() -> None:
    spread = Spread.of([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100])
    assert (spread.median, spread.mad, spread.n) == (6, 3, 11)
    assert spread.z(12) == pytest.approx(0.6745 * 2)


def test_one_outlier_does_not_hide_itself_or_another() -> None:
    scans = [{"a": 100 + n} for n in range(20)] + [{"a": 900.0}, {"a": 800.0}]
    known = spreads(scans)
    assert [bool(far(scan, known)) for scan in scans] == [False] * 20 + [True] * 2


def test_few_scans_tell_nothing() -> None:
    values = [float(n) for n in range(LEAST_SCANS - 1)]
    assert Spread.of(values).z(1e6) is None
    assert Spread.of([*values, 20.0]).z(1e6) is not None


def test_equal_scans_are_not_told_apart_by_rounding() -> None:
    values = 1000 + 1e-4 * np.arange(20)
    assert Spread.of(values.tolist()).z(1001.0) is None
    assert Spread.of([0.0] * 20).z(1.0) is None
    assert Spread.of([]).z(1.0) is None


def test_a_measure_that_some_scans_lack_is_compared_among_those_that_have_it() -> None:
    scans = [{"a": float(n)} | ({"b": float(n)} if n % 2 else {}) for n in range(30)]
    known = spreads(scans)
    assert {name: spread.n for name, spread in known.items()} == {"a": 30, "b": 15}


def test_the_farthest_comes_first() -> None:
    known = {name: Spread(0.0, 1.0, 50) for name in "abc"}
    found = far({"a": 6.0, "b": -9.0, "c": 0.1}, known)
    assert list(found) == ["b", "a"]
    assert found["b"] < -FAR_Z

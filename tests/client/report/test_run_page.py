from __future__ import annotations

from pathlib import Path

from synthseg_client.report.outliers import Spread
from synthseg_client.report.records import Failure, Run, ScanRecord
from synthseg_client.report.run_page import chart_data, facts, line_of, models_of

SIDECAR = {
    "model": {"served_name": "synthseg", "served_version": 3},
    "seconds": {"server": 2.0},
    "warnings": ["odd"],
}
RECORD = ScanRecord(
    "s",
    Path("s.nii"),
    volumes={"total intracranial": 1500.0, "csf": 300.0},
    quality={"thalamus": 0.71, "cerebellum": 0.6},
    sidecar=SIDECAR,
)


def test_a_line_tells_what_one_looks_at_first() -> None:
    line = line_of(RECORD, "1-s", {"a": -9.0, "b": 5.0, "c": 4.0}, has_viewer=True)
    assert (line.total, line.total_mm3) == ("1\u202f500", 1500)
    assert (line.far, line.more_far, line.far_count, line.farthest) == (
        ("a \u22129.0", "b +5.0"),
        1,
        3,
        9,
    )
    assert (line.quality, line.lowest) == ("0.60 cerebellum", 0.6)
    assert (line.seconds, line.warnings) == ("2.0", ("odd",))


def test_what_is_not_known_sorts_last_and_shows_nothing() -> None:
    line = line_of(ScanRecord("s", Path("s.nii")), "1-s", {}, has_viewer=False)
    assert (line.total, line.quality, line.seconds, line.far) == ("", "", "", ())
    assert (line.total_mm3, line.lowest, line.duration) == (-1, 2, -1)


def test_the_chart_knows_every_measure_of_every_scan() -> None:
    spreads = {"csf": Spread(300, 20, 12), "asymmetry of x": Spread(0, 0, 12)}
    told = chart_data(["1-s", "2-t"], [{"csf": 300.4}, {"asymmetry of x": 1.26}], spreads)
    assert told["measures"] == ["csf", "asymmetry of x"]
    assert told["values"] == {"1-s": [300, None], "2-t": [None, 1.3]}
    assert (told["percent"], told["tellsZ"]) == ([0, 1], [1, 0])


def test_a_run_in_numbers_tells_of_distance_only_if_there_are_enough_scans() -> None:
    line = line_of(RECORD, "1-s", {}, has_viewer=False)
    small = Run((RECORD,) * 9, (Failure("x", "broken"),))
    assert facts(small, [line] * 9) == [(9, "segmented"), (1, "failed"), (9, "with warnings")]
    assert len(facts(Run((RECORD,) * 10), [line] * 10)) == 4


def test_models_are_counted() -> None:
    assert models_of(Run((RECORD, RECORD, ScanRecord("t", Path("t.nii"))))) == [("synthseg:3", 2)]

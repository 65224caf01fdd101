from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.report.outliers import Spread
from synthseg_client.report.records import ScanRecord
from synthseg_client.report.scan_page import (
    Comparison,
    far_texts,
    provenance,
    signed,
    total_of,
    volume,
    volume_rows,
)

VOLUMES = {"left thalamus": 8000.0, "right thalamus": 7000.0, "csf": 1234567.0}


def record(**sidecar: object) -> ScanRecord:
    scan, labels = Path("/data/anna/s.nii"), Path("/out/s_synthseg.nii")
    return ScanRecord("s", labels, scan, "ab" * 32, VOLUMES, sidecar=sidecar)


def test_a_line_tells_both_sides_their_asymmetry_and_how_far_they_are() -> None:
    spreads = {"left thalamus": Spread(7000, 100, 20), "asymmetry of thalamus": Spread(0, 1, 20)}
    measures = {"left thalamus": 8000.0, "asymmetry of thalamus": 13.33}
    compared = Comparison(spreads, measures, {"left thalamus": 6.7})
    told = record(labels={"10": "left thalamus", "24": "csf"})
    thalamus, csf = volume_rows(told, compared, parcels=False)
    assert (thalamus.name, thalamus.colour, thalamus.is_far) == ("thalamus", "#00760e", True)
    assert (thalamus.left, thalamus.right) == ("8\u202f000", "7\u202f000")
    assert (thalamus.asymmetry, thalamus.left_z, thalamus.right_z) == ("+13.3", "+6.7", "")
    assert thalamus.asymmetry_z == "+9.0"
    assert (csf.left, csf.right, csf.is_far) == ("1\u202f234\u202f567", "", False)
    assert volume_rows(told, compared, parcels=True) == []


def test_the_total_has_a_name() -> None:
    assert total_of(record()) == ("Volume of all labels", "1\u202f249\u202f567")
    assert total_of(ScanRecord("s", Path("l.nii"))) is None


@pytest.mark.parametrize(
    ("value", "text"), [(1.25, "+1.2"), (-3.5, "\u22123.5"), (0.04, "0.0"), (-0.04, "0.0")]
)
def test_signs_are_told_but_not_of_nothing(value: float, text: str) -> None:
    assert signed(value) == text
    assert far_texts({"a": value}) == [f"a {text}"]
    assert volume(999.6) == "1\u202f000"


def test_provenance_names_files_without_folders_and_tells_all_of_the_sidecar() -> None:
    groups = dict(
        provenance(
            record(
                software={"name": "synthseg-serving", "version": "1"},
                model={"served_name": "synthseg", "training": {"scans": 3}, "note": "x" * 999},
                companions=[{"served_name": "synthseg_parcels"}],
                options={"fast": True, "crop": [160, 160, 160], "odd": None},
                scan={"resampled": False},
                seconds={"server": 1.5},
                network_passes=2,
            )
        )
    )
    assert dict(groups["Files"]) == {
        "Labels": "s_synthseg.nii",
        "Scan": "s.nii",
        "SHA-256 of the scan": "ab" * 32,
        "Resampled": "no",
    }
    assert dict(groups["Model"])["training"] == '{"scans": 3}'
    assert len(dict(groups["Model"])["note"]) < 170
    assert dict(groups["Options"])["Fast"] == "yes"
    assert dict(groups["Seconds"]) == {"server": "1.5", "passes of the network": "2"}
    assert groups["Model asked beside it"] == [("served name", "synthseg_parcels")]


@pytest.mark.parametrize("odd", [None, 3, "text", [1, 2]])
def test_odd_sidecars_leave_groups_out(odd: object) -> None:
    told = record(software=odd, model=odd, companions=odd, options=odd, scan=odd, seconds=odd)
    assert [title for title, _ in provenance(told)] == ["Files"]

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthseg_client.report.records import ScanRecord, name_of, without_folders


def record(sidecar: dict[str, Any], **told: Any) -> ScanRecord:
    return ScanRecord("s", Path("s_synthseg.nii"), sidecar=sidecar, **told)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ("out/ses-1_x_synthseg.nii.gz", "ses-1_x"),
        ("out/labels.nii.gz", "bert_x"),
    ],
)
def test_a_scan_is_called_as_its_label_map_or_as_itself(labels: str, name: str) -> None:
    assert name_of(Path(labels), Path("scans/x.mgz"), "bert_") == name


def test_messages_name_no_folders() -> None:
    scan = Path("/data/Miller Anna/x.nii")
    assert without_folders(f"{scan}: broken", scan) == "x.nii: broken"
    assert without_folders("a / b", Path("/x.nii")) == "a / b"
    relative = Path("anna/x.nii")
    assert without_folders(f"{relative.absolute()}: broken", relative) == "x.nii: broken"


def test_a_sidecar_tells_warnings_seconds_and_labels() -> None:
    told = record({"warnings": ["odd"], "seconds": {"a": 1, "b": 2.5}, "labels": {"2": "left"}})
    assert (told.warnings, told.seconds, told.label_names) == (("odd",), 3.5, {2: "left"})


@pytest.mark.parametrize("odd", [None, "text", 3, {"a": "b"}, []])
def test_odd_sidecars_tell_nothing(odd: object) -> None:
    told = record({"warnings": odd, "seconds": odd, "labels": odd})
    assert told.warnings == ()
    assert told.seconds is None
    assert set(told.label_names) <= {0}


def test_without_a_sidecar_the_released_labels_are_known_by_name() -> None:
    told = record({}, volumes={"left thalamus": 1.0, "ctx-rh-insula": 2.0, "unknown": 3.0})
    assert told.label_names == {0: "background", 10: "left thalamus", 2035: "ctx-rh-insula"}

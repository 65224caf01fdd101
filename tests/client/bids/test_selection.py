from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthseg_client.bids.names import parse_name
from synthseg_client.bids.selection import select
from synthseg_client.errors import UsageError
from typed import there


def _filters(tmp_path: Path, told: Any) -> Path:
    path = tmp_path / "filters.json"
    path.write_text(json.dumps(told))
    return path


def test_labels_come_with_or_without_their_prefix() -> None:
    selection = select(["01", "sub-02", "sub-01"], ["ses-a"])
    assert selection.participants == ("01", "02")
    assert selection.sessions == ("a",)
    assert selection.wants_of("02")
    assert not selection.wants_of("03")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sub-01_T1w.nii.gz", True),
        ("sub-01_UNIT1.nii", True),
        ("sub-01_inplaneT2.nii.gz", True),
        ("sub-01_T1map.nii.gz", False),
        ("sub-01_part-phase_T2starw.nii.gz", False),
        ("sub-01_part-mag_T2starw.nii.gz", True),
    ],
)
def test_weighted_images_are_wanted_by_default(name: str, wanted: bool) -> None:
    assert select().wants(there(parse_name(name))) is wanted


def test_a_session_leaves_out_scans_without_one() -> None:
    selection = select(sessions=["a"])
    assert selection.wants(there(parse_name("sub-01_ses-a_T1w.nii")))
    assert not selection.wants(there(parse_name("sub-01_T1w.nii")))


@pytest.mark.parametrize(
    ("told", "name", "wanted"),
    [
        ({"t1w": {"acquisition": "mprage"}}, "sub-1_acq-mprage_T1w.nii", True),
        ({"t1w": {"acquisition": "mprage"}}, "sub-1_T1w.nii", False),
        ({"t1w": {"acquisition": "mprage"}}, "sub-1_T2w.nii", True),
        ({"t1w": {"acquisition": None}}, "sub-1_acq-mprage_T1w.nii", False),
        ({"t1w": {"acquisition": "Query.ANY"}}, "sub-1_acq-mprage_T1w.nii", True),
        ({"t1w": {"acquisition": "*"}}, "sub-1_T1w.nii", False),
        ({"t1w": {"acquisition": "Query.OPTIONAL"}}, "sub-1_T1w.nii", True),
        ({"t1w": {"run": 1}}, "sub-1_run-01_T1w.nii", True),
        ({"t1w": {"run": [2, 3]}}, "sub-1_run-01_T1w.nii", False),
        ({"t1w": {"datatype": "anat", "suffix": "T1w"}}, "sub-1_T1w.nii", True),
        ({"t1w": {"suffix": "UNIT1", "run": 1}}, "sub-1_run-2_UNIT1.nii", False),
        ({"anat": {"session": ["ses-a"]}}, "sub-1_ses-b_FLAIR.nii", False),
        ({"t2w": {"acq": "^m", "regex_search": True}}, "sub-1_acq-mx_T2w.nii", True),
        ({"bold": {"task": "rest"}}, "sub-1_T1w.nii", True),
        ({"t1w": {"extension": ".nii.gz"}}, "sub-1_T1w.nii", False),
    ],
)
def test_filters_are_read_as_pybids_does(
    tmp_path: Path, told: Any, name: str, wanted: bool
) -> None:
    selection = select(filter_file=_filters(tmp_path, told))
    assert selection.wants(there(parse_name(name))) is wanted


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "expected an object by kind of image"),
        ({"t1w": "mprage"}, "expected an object by kind of image"),
        ({"t1w": {"flavour": "x"}}, "'flavour' is no entity"),
        ({"t1w": {"acq": "(", "regex_search": True}}, "no regular expression"),
    ],
)
def test_wrong_filters_are_refused(tmp_path: Path, told: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        select(filter_file=_filters(tmp_path, told))


def test_wrong_labels_suffixes_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no label of BIDS"):
        select(["sub-01_ses-02"])
    with pytest.raises(UsageError, match="no anatomical image"):
        select(suffixes=["bold"])
    with pytest.raises(UsageError, match="cannot be read"):
        select(filter_file=tmp_path / "none.json")

from __future__ import annotations

import pytest
from synthseg_client.bids.names import BidsName, derived_name, parse_name
from synthseg_client.bids.vocabulary import vocabulary
from typed import there


def _derived(source: str, **added: str) -> str:
    allowed = vocabulary().of_segmentations
    return str(derived_name(there(parse_name(source)), "dseg", allowed, **added))


def test_a_name_is_read_and_written_again() -> None:
    text = "sub-01_ses-a_acq-x+y_run-1_T1w.nii.gz"
    name = there(parse_name(text))
    assert name == BidsName(
        (("sub", "01"), ("ses", "a"), ("acq", "x+y"), ("run", "1")), "T1w", ".nii.gz"
    )
    assert str(name) == text
    assert name.value("run") == "1"
    assert name.value("task") is None
    assert name.is_image


@pytest.mark.parametrize(
    "text", ["T1w.nii.gz", "sub-01.nii.gz", "sub-_T1w.nii", "sub-1_sub-2_T1w.nii", "a_b_T1w.nii"]
)
def test_other_names_are_none(text: str) -> None:
    assert parse_name(text) is None


def test_a_sidecar_covers_images_that_say_more() -> None:
    sidecar = there(parse_name("sub-01_T1w.json"))
    assert sidecar.covers(there(parse_name("sub-01_run-2_T1w.nii.gz")))
    assert not sidecar.covers(there(parse_name("sub-01_T2w.nii.gz")))


def test_derivatives_keep_entities_in_the_schemas_order() -> None:
    added = {"res": "1mm", "seg": "synthseg", "space": "orig"}
    assert _derived("sub-01_ses-a_run-1_T1w.nii", **added) == (
        "sub-01_ses-a_run-1_space-orig_seg-synthseg_res-1mm_dseg.nii.gz"
    )


def test_what_a_label_map_may_not_say_stands_in_its_description() -> None:
    assert _derived("sub-01_FLAIR.nii", seg="s") == "sub-01_seg-s_desc-FLAIR_dseg.nii.gz"
    assert _derived("sub-01_inv-2_MP2RAGE.nii", seg="s") == (
        "sub-01_seg-s_desc-MP2RAGEinv2_dseg.nii.gz"
    )

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.batch.naming import prefixes


@pytest.mark.parametrize(
    ("scans", "expected"),
    [
        (["fs/bert/mri/orig.mgz", "fs/anna/mri/orig.mgz"], ["bert_", "anna_"]),
        (["fs/bert/mri/orig.mgz", "fs/anna/mri/T1.mgz"], ["", ""]),
        (["s1/anat/T1.nii", "s2/ses-1/anat/T1.nii"], ["s1_", "s2_ses-1_"]),
        (
            ["s1/a/T1.nii", "s1/b/T1.nii", "s2/a/T1.nii", "s2/a/T2.nii"],
            ["s1_a_", "s1_b_", "s2_a_", ""],
        ),
        (["T1.nii", "b/T1.nii"], ["", "b_"]),
        (["a/T1.nii", "a/T1.nii.gz"], ["", ""]),
        (["a/T1.nii", "a/T1.nii.gz", "b/T1.mgz"], ["a_", "a_", "b_"]),
        (["a_b/c/T1.nii", "a/b_c/T1.nii"], ["a_b__c_", "a__b_c_"]),
        (["./x/../a/T1.nii", "b/T1.nii"], ["a_", "b_"]),
        (["/data/a/T1.nii", "a/T1.nii"], None),
    ],
)
def test_scans_of_one_name_are_told_apart_by_the_folders_in_which_their_paths_differ(
    scans: list[str], expected: list[str] | None
) -> None:
    found = prefixes([Path(scan) for scan in scans])
    if expected is None:
        assert len(set(found)) == len(scans)
    else:
        assert found == expected

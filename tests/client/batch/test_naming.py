from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.batch.naming import prefixes
from synthseg_client.batch.plan import plan_batch
from synthseg_client.errors import UsageError


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


def test_scans_of_one_name_are_called_by_what_tells_their_paths_apart(subjects: Path) -> None:
    plan = plan_batch(["fs/*/mri/*.mgz"], Path("out"), posteriors=Path("p"))
    names = ["anna_synthseg", "anna_orig_synthseg", "bert_synthseg", "bert_orig_synthseg"]
    assert [str(t.labels) for t in plan.tasks] == [f"out/{name}.mgz" for name in names]
    assert plan.tasks[1].posteriors == Path("p/anna_orig_posteriors.mgz")
    assert [t.prefix for t in plan.tasks] == ["", "anna_", "", "bert_"]


def test_results_may_lie_beside_scans(subjects: Path) -> None:
    plan = plan_batch(["fs/*/mri/orig.mgz"], None, beside_scans=True, volumes="all.csv")
    assert [t.labels for t in plan.tasks] == [
        Path("fs/anna/mri/orig_synthseg.mgz"),
        Path("fs/bert/mri/orig_synthseg.mgz"),
    ]
    assert (plan.table, plan.folder) == (Path("all.csv"), subjects)
    assert [t.prefix for t in plan.tasks] == ["anna_", "bert_"]
    for task in plan.tasks:
        task.labels.touch()
    again = plan_batch(["fs/*/mri/orig*.mgz"], None, beside_scans=True)
    assert [t.scan for t in again.tasks] == [t.scan for t in plan.tasks]


def test_results_may_lie_in_places_that_start_from_each_scans_folder(subjects: Path) -> None:
    plan = plan_batch(
        ["fs/*/mri/orig.mgz"], "../seg", posteriors="p.nii", resampled=".", beside_scans=True
    )
    assert [str(p) for p in plan.tasks[0].outputs()] == [
        "fs/anna/mri/../seg/orig_synthseg.mgz",
        "fs/anna/mri/p.nii",
        "fs/anna/mri/orig_resampled.mgz",
    ]
    with pytest.raises(UsageError, match="expected a relative path"):
        plan_batch(["fs/*/mri/orig.mgz"], subjects, beside_scans=True)
    with pytest.raises(UsageError, match="no place for the results"):
        plan_batch(["fs/*/mri/orig.mgz"], None)


@pytest.mark.parametrize(
    "name",
    [
        *("seg.nrrd", "seg.nii.bz2", "seg.mha", "seg.mhd", "seg.nii.zst", "seg.nii.xz", "seg.mnc"),
        *(
            "seg.img",
            "seg.hdr",
            "seg.dcm",
            "seg.gipl",
            "seg.zip",
            "seg.npy",
            "seg.NRRD",
            "seg.tar.gz",
        ),
        *("seg.nii.gzip", "seg.niigz", "seg.nii.gz.bak", "seg.csv", "seg.json", "seg.mgz.gz"),
    ],
)
def test_a_name_of_another_kind_of_file_is_no_folder_unless_it_is_one(
    folder: Path, tmp_path: Path, name: str
) -> None:
    for scans in (["scans/a.nii"], ["scans"]):
        for labels, posteriors in ((name, None), ("o", name)):
            with pytest.raises(UsageError, match=r"are not written.*name that ends in \.nii\.gz"):
                plan_batch(scans, labels, posteriors=posteriors)
    assert plan_batch(["scans"], f"{name}/").tasks[0].labels == Path(name) / "a_synthseg.nii"
    (tmp_path / name).mkdir()
    assert plan_batch(["scans"], name).tasks[0].labels == Path(name) / "a_synthseg.nii"


@pytest.mark.parametrize("name", ["out.v1.2", "2024.11.27", "ds000114_R1.0.1", "seg", "seg.d"])
def test_a_folder_may_have_dots_in_its_name(folder: Path, name: str) -> None:
    assert plan_batch(["scans"], name).tasks[0].labels == Path(name) / "a_synthseg.nii"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("scans", r"is a folder.*scans/volumes\.csv"),
        ("new/", r"is a folder.*new/volumes\.csv"),
        ("x.tsv", "not written as .tsv"),
        ("x.xlsx", "not written as .xlsx"),
        ("x.nii.gz", "not written as"),
        ("x.txt", "a list of tables needs"),
    ],
)
def test_a_table_is_a_csv_file(folder: Path, table: str, words: str) -> None:
    for scans in (["scans/a.nii"], ["scans"]):
        with pytest.raises(UsageError, match=words):
            plan_batch(scans, "out", volumes=table)
    assert plan_batch(["scans"], "out", volumes="v.1").table == Path("v.1.csv")

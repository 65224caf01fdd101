from __future__ import annotations

from pathlib import Path

import pytest
from sessions import names_of
from synthseg_client.batch.plan import plan_batch
from synthseg_client.errors import UsageError


def test_a_folder_gives_its_scans_sorted_and_named(folder: Path) -> None:
    plan = plan_batch(
        ["scans"], Path("out"), posteriors=Path("p"), resampled=Path("r"), volumes=Path("v")
    )
    assert names_of(t.scan for t in plan.tasks) == [
        "a.nii",
        "b.nii.gz",
        "c.mgz",
        "d.npz",
        "e.mgh",
        "f.img",
    ]
    assert names_of(t.labels for t in plan.tasks) == [
        *("a_synthseg.nii", "b_synthseg.nii.gz", "c_synthseg.mgz"),
        *("d_synthseg.npz", "e_synthseg.mgh", "f_synthseg.nii.gz"),
    ]
    assert plan.tasks[1].posteriors == Path("p/b_posteriors.nii.gz")
    assert plan.tasks[1].resampled == Path("r/b_resampled.nii.gz")
    assert plan.table == Path("v.csv")


def test_a_single_scan_goes_to_the_file_that_was_named(folder: Path) -> None:
    plan = plan_batch(["scans/a.nii"], Path("new/x.mgz"), volumes=Path("t.csv"))
    (task,) = plan.tasks
    assert (task.labels, plan.table, plan.single) == (Path("new/x.mgz"), Path("t.csv"), True)


def test_a_single_scan_goes_into_a_folder_under_its_name(folder: Path) -> None:
    (task,) = plan_batch(["scans/b.nii.gz"], Path("new")).tasks
    assert task.labels == Path("new/b_synthseg.nii.gz")


def test_several_files_and_patterns_are_one_batch_without_repeats(folder: Path) -> None:
    plan = plan_batch(["scans/b.nii.gz", "scans/*.mg?"], Path("out"))
    assert names_of(t.scan for t in plan.tasks) == ["b.nii.gz", "c.mgz", "e.mgh"]
    again = plan_batch(["scans/b.nii.gz", "scans/b.nii.gz"], Path("out"))
    assert len(again.tasks) == 1


def test_lists_are_matched_line_by_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("scans/a.nii \r\n\n scans/c.mgz\r\n")
    (tmp_path / "out.txt").write_text("o/one.nii.gz\no/two.mgz\n")
    (tmp_path / "vol.txt").write_text("o/one\no/two.csv\n")
    plan = plan_batch(["in.txt"], Path("out.txt"), volumes=Path("vol.txt"))
    assert [t.scan for t in plan.tasks] == [Path("scans/a.nii"), Path("scans/c.mgz")]
    assert [t.table for t in plan.tasks] == [Path("o/one.csv"), Path("o/two.csv")]
    assert plan.table is None


def test_a_list_may_go_into_a_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("scans/a.nii\nscans/c.mgz\n")
    plan = plan_batch(["in.txt"], Path("out"), volumes=Path("v.csv"))
    assert names_of(t.labels for t in plan.tasks) == ["a_synthseg.nii", "c_synthseg.mgz"]
    assert plan.table == Path("v.csv")


@pytest.mark.parametrize("given", [["scans"], ["scans/*.nii*"], ["scans/a.nii", "scans/a*"]])
@pytest.mark.parametrize("output", ["scans", "out"])
def test_results_of_an_earlier_run_are_no_scans(
    folder: Path, given: list[str], output: str
) -> None:
    expected = names_of(t.scan for t in plan_batch(given, Path("out")).tasks)
    for suffix in ("synthseg", "posteriors", "resampled", "synthseg_posteriors"):
        (folder / f"a_{suffix}.nii").touch()
    (folder / "a_synthseg.mgz").touch()
    assert names_of(t.scan for t in plan_batch(given, Path(output)).tasks) == expected


def test_results_that_went_to_another_folder_of_scans_are_no_scans(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    for name in ("y.nii", "a_synthseg.nii"):
        (tmp_path / "more" / name).touch()
    plan = plan_batch(["scans/a.nii", "more"], Path("more"))
    assert names_of(t.scan for t in plan.tasks) == ["a.nii", "y.nii"]


def test_a_file_named_like_a_result_is_a_scan_where_its_scan_is_not(folder: Path) -> None:
    (folder / "q_synthseg.nii").touch()
    (folder / "deeper/a_resampled.nii").touch()
    plan = plan_batch(["scans", "scans/deeper"], Path("out"))
    assert {"q_synthseg.nii", "a_resampled.nii"} <= set(names_of(t.scan for t in plan.tasks))


@pytest.mark.parametrize(
    ("scans", "output", "words"),
    [
        ([], "out", "no scan was given"),
        (["scans/deeper/../deeper", "nothing/*.nii"], "out", "no scan matches"),
        (["scans/x.doc"], "out", "not a scan by its name"),
        (["scans"], "out.nii.gz", "need a folder"),
        (["scans/a.nii", "scans/b.nii.gz"], "out.nii.gz", "need a folder"),
        (["scans/a.nii"], "scans/a.nii", "would replace the scan"),
        (["scans/a.nii"], "out.hdr", "expected a name that ends in"),
        (["missing.txt"], "out", "list of files"),
        (["scans/a.nii"], "labels.txt", "a list of results needs"),
        (["scans"], "labels.txt", "a list of results needs"),
        ([""], "out", "empty name"),
        (["scans"], "", "empty name"),
        (["scans"], "-", "standard output"),
        (["scans"], "~/out", "home folder"),
        (["scans"], "$OUT/seg", "variable"),
        (["scans"], "s3://bucket/seg", "is an address"),
        (["scans"], "sub-*/seg", "a pattern is for --i"),
        (["scans/a.nii"], ".nii.gz", "an ending alone"),
        (["scans/**.nii"], "out", "stands for folders"),
        (["scans/{a,b}.nii*"], "out", "alternatives in braces"),
        (["scans/*.txt"], "out", "no scan matches this pattern, but others such as scans/x.txt"),
        (["scans/.."], "out", r"no scan in this folder.*'scans/\.\./\*\*/\*\.nii\.gz'"),
        (["scans/x.txt"], "out.txt", "holds no file name"),
        (["scans/a.nii", "scans/x.txt"], "out", "only --i"),
        (["empty"], "out", "no scan in this folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    folder: Path, tmp_path: Path, scans: list[str], output: str, words: str
) -> None:
    for name in ("copy", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "copy/a.nii").touch()
    with pytest.raises(UsageError, match=words):
        plan_batch(scans, output)


def test_lists_of_different_length_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("scans/a.nii\nscans/c.mgz\n")
    (tmp_path / "out.txt").write_text("o/one.nii.gz\n")
    with pytest.raises(UsageError, match="holds 1 names"):
        plan_batch(["in.txt"], Path("out.txt"))


def test_lists_and_files_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("scans/a.nii\n")
    (tmp_path / "out.txt").write_text("o/one.nii.gz\n")
    with pytest.raises(UsageError, match="must be one too"):
        plan_batch(["in.txt"], Path("out.txt"), posteriors=Path("p"))


def test_one_table_serves_a_list_and_tells_scans_of_one_name_apart(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "deeper/a.nii").touch()
    (tmp_path / "in.txt").write_text("scans/a.nii\nscans/deeper/a.nii\nscans/b.nii.gz\n")
    (tmp_path / "out.txt").write_text("o/1.nii\no/2.nii\no/3.nii\n")
    plan = plan_batch(["in.txt"], Path("out.txt"), volumes=Path("all.csv"))
    assert plan.table == Path("all.csv")
    assert [task.table for task in plan.tasks] == [None] * 3
    assert [task.prefix for task in plan.tasks] == ["", "deeper_", ""]


def test_a_name_too_long_for_a_result_is_left_to_fail_alone(folder: Path) -> None:
    (folder / f"{'x' * 250}.nii").touch()
    (folder.parent / "out").mkdir()
    assert len(plan_batch(["scans"], Path("out")).tasks) == 7


@pytest.mark.parametrize("before", [["fs/*/mri/orig.mgz"], ["fs/anna/mri/orig.mgz"]])
def test_named_results_of_an_earlier_run_are_no_scans(subjects: Path, before: list[str]) -> None:
    pattern = ["fs/**/*.mgz"]
    expected = [t.scan for t in plan_batch(pattern, Path("fs")).tasks]
    for given in (before, pattern):
        for task in plan_batch(given, Path("fs")).tasks:
            task.labels.touch()
    assert [t.scan for t in plan_batch(pattern, Path("fs")).tasks] == expected

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.plan import plan_batch


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    scans = tmp_path / "scans"
    scans.mkdir()
    names = ("b.nii.gz", "a.nii", "c.mgz", "d.npz", "e.mgh", "f.img", "f.hdr", "x.txt", ".g.nii.gz")
    for name in names:
        (scans / name).touch()
    (scans / "deeper").mkdir()
    (scans / "deeper/z.nii.gz").touch()
    return scans


def _names(paths) -> list[str]:
    return [Path(p).name for p in paths]


def test_a_folder_gives_its_scans_sorted_and_named(folder):
    plan = plan_batch(
        ["scans"], Path("out"), posteriors=Path("p"), resampled=Path("r"), volumes=Path("v")
    )
    assert _names(t.scan for t in plan.tasks) == [
        "a.nii",
        "b.nii.gz",
        "c.mgz",
        "d.npz",
        "e.mgh",
        "f.img",
    ]
    assert _names(t.labels for t in plan.tasks) == [
        *("a_synthseg.nii", "b_synthseg.nii.gz", "c_synthseg.mgz"),
        *("d_synthseg.npz", "e_synthseg.mgh", "f_synthseg.nii.gz"),
    ]
    assert plan.tasks[1].posteriors == Path("p/b_posteriors.nii.gz")
    assert plan.tasks[1].resampled == Path("r/b_resampled.nii.gz")
    assert plan.table == Path("v.csv")


def test_a_single_scan_goes_to_the_file_that_was_named(folder):
    plan = plan_batch(["scans/a.nii"], Path("new/x.mgz"), volumes=Path("t.csv"))
    (task,) = plan.tasks
    assert (task.labels, plan.table, plan.single) == (Path("new/x.mgz"), Path("t.csv"), True)


def test_a_single_scan_goes_into_a_folder_under_its_name(folder):
    (task,) = plan_batch(["scans/b.nii.gz"], Path("new")).tasks
    assert task.labels == Path("new/b_synthseg.nii.gz")


def test_several_files_and_patterns_are_one_batch_without_repeats(folder):
    plan = plan_batch(["scans/b.nii.gz", "scans/*.mg?"], Path("out"))
    assert _names(t.scan for t in plan.tasks) == ["b.nii.gz", "c.mgz", "e.mgh"]
    again = plan_batch(["scans/b.nii.gz", "scans/b.nii.gz"], Path("out"))
    assert len(again.tasks) == 1


def test_lists_are_matched_line_by_line(folder, tmp_path):
    (tmp_path / "in.txt").write_text("scans/a.nii \r\n\n scans/c.mgz\r\n")
    (tmp_path / "out.txt").write_text("o/one.nii.gz\no/two.mgz\n")
    (tmp_path / "vol.txt").write_text("o/one\no/two.csv\n")
    plan = plan_batch(["in.txt"], Path("out.txt"), volumes=Path("vol.txt"))
    assert [t.scan for t in plan.tasks] == [Path("scans/a.nii"), Path("scans/c.mgz")]
    assert [t.table for t in plan.tasks] == [Path("o/one.csv"), Path("o/two.csv")]
    assert plan.table is None


def test_a_list_may_go_into_a_folder(folder, tmp_path):
    (tmp_path / "in.txt").write_text("scans/a.nii\nscans/c.mgz\n")
    plan = plan_batch(["in.txt"], Path("out"), volumes=Path("v.csv"))
    assert _names(t.labels for t in plan.tasks) == ["a_synthseg.nii", "c_synthseg.mgz"]
    assert plan.table == Path("v.csv")


def test_results_of_an_earlier_run_are_no_scans(folder):
    (folder / "a_synthseg.nii").touch()
    (folder / "a_posteriors.nii").touch()
    plan = plan_batch(["scans"], folder, posteriors=folder)
    assert "a_synthseg.nii" not in _names(t.scan for t in plan.tasks)
    assert "a_posteriors.nii" not in _names(t.scan for t in plan.tasks)


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
        (["scans/a.nii", "copy/a.nii"], "out", "results of both"),
        (["missing.txt"], "out", "list of files"),
        (["scans/x.txt"], "out.txt", "holds no file name"),
        (["scans/a.nii", "scans/x.txt"], "out", "only --i"),
        (["empty"], "out", "no scan in this folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, tmp_path, scans, output, words):
    for name in ("copy", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "copy/a.nii").touch()
    with pytest.raises(UsageError, match=words):
        plan_batch(scans, Path(output))


def test_lists_of_different_length_are_refused(folder, tmp_path):
    (tmp_path / "in.txt").write_text("scans/a.nii\nscans/c.mgz\n")
    (tmp_path / "out.txt").write_text("o/one.nii.gz\n")
    with pytest.raises(UsageError, match="holds 1 names"):
        plan_batch(["in.txt"], Path("out.txt"))


def test_lists_and_files_are_not_mixed(folder, tmp_path):
    (tmp_path / "in.txt").write_text("scans/a.nii\n")
    (tmp_path / "out.txt").write_text("o/one.nii.gz\n")
    with pytest.raises(UsageError, match="must be one too"):
        plan_batch(["in.txt"], Path("out.txt"), volumes=Path("v.csv"))


def test_two_results_under_one_name_are_refused(folder):
    with pytest.raises(UsageError, match="results of both"):
        plan_batch(["scans/a.nii"], Path("o.nii"), posteriors=Path("o.nii"))

from __future__ import annotations

import tempfile
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


@pytest.mark.parametrize("given", [["scans"], ["scans/*.nii*"], ["scans/a.nii", "scans/a*"]])
@pytest.mark.parametrize("output", ["scans", "out"])
def test_results_of_an_earlier_run_are_no_scans(folder, given, output):
    expected = _names(t.scan for t in plan_batch(given, Path("out")).tasks)
    for suffix in ("synthseg", "posteriors", "resampled", "synthseg_posteriors"):
        (folder / f"a_{suffix}.nii").touch()
    (folder / "a_synthseg.mgz").touch()
    assert _names(t.scan for t in plan_batch(given, Path(output)).tasks) == expected


def test_results_that_went_to_another_folder_of_scans_are_no_scans(folder, tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("y.nii", "a_synthseg.nii"):
        (tmp_path / "more" / name).touch()
    plan = plan_batch(["scans/a.nii", "more"], Path("more"))
    assert _names(t.scan for t in plan.tasks) == ["a.nii", "y.nii"]


def test_a_file_named_like_a_result_is_a_scan_where_its_scan_is_not(folder):
    (folder / "q_synthseg.nii").touch()
    (folder / "deeper/a_resampled.nii").touch()
    plan = plan_batch(["scans", "scans/deeper"], Path("out"))
    assert {"q_synthseg.nii", "a_resampled.nii"} <= set(_names(t.scan for t in plan.tasks))


def test_names_in_capitals_are_found_in_a_folder(folder):
    (folder / "U.NII.GZ").touch()
    (folder / "V.MGZ").touch()
    plan = plan_batch(["scans"], Path("out"))
    assert _names(t.labels for t in plan.tasks)[:2] == ["U_synthseg.nii.gz", "V_synthseg.mgz"]


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


@pytest.mark.parametrize("ending", [".json", ".tsv", ".ctab"])
def test_two_files_beside_label_maps_under_one_name_are_refused(folder, ending):
    (folder / "a.nii.gz").touch()
    with pytest.raises(UsageError, match=rf"a_synthseg\{ending}: would hold the results of both"):
        plan_batch(["scans"], Path("out"), beside=(ending,))
    assert plan_batch(["scans"], Path("out"), beside=()).tasks


@pytest.mark.parametrize("text", ['{"EchoTime": 0.003}', '{"software": "other"}', "[]", "no JSON"])
def test_the_sidecar_of_a_scan_is_never_replaced(folder, text):
    (folder / "a.json").write_text(text)
    with pytest.raises(UsageError, match="not made by this tool"):
        plan_batch(["scans/a.nii"], folder / "a.mgz")
    assert plan_batch(["scans/a.nii"], folder / "a.mgz", beside=()).tasks


def test_the_sidecar_of_an_earlier_run_may_be_replaced(folder):
    (folder / "l.json").write_text('{"software": {"name": "synthseg-serving"}}')
    assert plan_batch(["scans/a.nii"], folder / "l.mgz").tasks


@pytest.mark.parametrize("output", ["volumes", "posteriors", "resampled"])
def test_a_folder_under_the_name_of_a_file_to_write_is_refused(folder, tmp_path, output):
    (tmp_path / "v.csv").mkdir()
    (tmp_path / "v.csv/a_posteriors.nii").mkdir()
    (tmp_path / "v.csv/a_resampled.nii").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        plan_batch(["scans/a.nii"], Path("o.nii"), **{output: tmp_path / "v.csv"})


def test_links_to_one_file_are_scans_of_their_own(folder):
    for name in ("s1.nii.gz", "s2.nii.gz"):
        (folder / "deeper" / name).symlink_to("z.nii.gz")
    plan = plan_batch(["scans/deeper", "scans/../scans/deeper/s1.nii.gz"], Path("out"))
    assert _names(t.scan for t in plan.tasks) == ["s1.nii.gz", "s2.nii.gz", "z.nii.gz"]


def test_a_link_to_itself_is_left_to_fail_alone(folder):
    (folder / "loop.nii").symlink_to("loop.nii")
    plan = plan_batch(["scans"], Path("out"))
    assert "loop.nii" in _names(t.scan for t in plan.tasks)


def test_a_name_too_long_for_a_result_is_left_to_fail_alone(folder):
    (folder / f"{'x' * 250}.nii").touch()
    (folder.parent / "out").mkdir()
    assert len(plan_batch(["scans"], Path("out")).tasks) == 7


def test_a_folder_that_may_not_be_listed_is_refused(as_nobody):
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        locked = Path(name) / "locked"
        locked.mkdir(mode=0o700)
        with as_nobody():
            with pytest.raises(UsageError, match="locked: cannot be listed: Permission denied"):
                plan_batch([str(locked)], Path("out"))
            # What it holds may be there for others: told when it is read.
            assert plan_batch([str(locked / "s.nii")], locked / "o.nii").single


def test_a_list_that_is_no_text_is_refused(folder, tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a\0b\n")
    with pytest.raises(UsageError, match=r"list\.txt: is no text"):
        plan_batch(["list.txt"], Path("out"))

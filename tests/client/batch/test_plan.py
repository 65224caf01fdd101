from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.errors import UsageError
from synthseg_client.results.journal import JOURNAL_NAME, Entry, Journal


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    scans = tmp_path / "scans"
    scans.mkdir()
    names = ("b.nii.gz", "a.nii", "c.mgz", "d.npz", "e.mgh", "f.img", "f.hdr", "x.txt", ".g.nii.gz")
    for name in names:
        (scans / name).touch()
    (scans / "deeper").mkdir()
    (scans / "deeper/z.nii.gz").touch()
    return scans


def _planned(scan: str, labels: Path, option: str, value: Path) -> BatchPlan:
    """The plan of one scan with one option more."""
    given = {option: value}
    return plan_batch(
        [scan],
        labels,
        posteriors=given.get("posteriors"),
        resampled=given.get("resampled"),
        volumes=given.get("volumes"),
    )


def _names(paths: Iterable[str | Path]) -> list[str]:
    return [Path(p).name for p in paths]


def test_a_folder_gives_its_scans_sorted_and_named(folder: Path) -> None:
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


def test_a_single_scan_goes_to_the_file_that_was_named(folder: Path) -> None:
    plan = plan_batch(["scans/a.nii"], Path("new/x.mgz"), volumes=Path("t.csv"))
    (task,) = plan.tasks
    assert (task.labels, plan.table, plan.single) == (Path("new/x.mgz"), Path("t.csv"), True)


def test_a_single_scan_goes_into_a_folder_under_its_name(folder: Path) -> None:
    (task,) = plan_batch(["scans/b.nii.gz"], Path("new")).tasks
    assert task.labels == Path("new/b_synthseg.nii.gz")


def test_several_files_and_patterns_are_one_batch_without_repeats(folder: Path) -> None:
    plan = plan_batch(["scans/b.nii.gz", "scans/*.mg?"], Path("out"))
    assert _names(t.scan for t in plan.tasks) == ["b.nii.gz", "c.mgz", "e.mgh"]
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
    assert _names(t.labels for t in plan.tasks) == ["a_synthseg.nii", "c_synthseg.mgz"]
    assert plan.table == Path("v.csv")


@pytest.mark.parametrize("given", [["scans"], ["scans/*.nii*"], ["scans/a.nii", "scans/a*"]])
@pytest.mark.parametrize("output", ["scans", "out"])
def test_results_of_an_earlier_run_are_no_scans(
    folder: Path, given: list[str], output: str
) -> None:
    expected = _names(t.scan for t in plan_batch(given, Path("out")).tasks)
    for suffix in ("synthseg", "posteriors", "resampled", "synthseg_posteriors"):
        (folder / f"a_{suffix}.nii").touch()
    (folder / "a_synthseg.mgz").touch()
    assert _names(t.scan for t in plan_batch(given, Path(output)).tasks) == expected


def test_results_that_went_to_another_folder_of_scans_are_no_scans(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    for name in ("y.nii", "a_synthseg.nii"):
        (tmp_path / "more" / name).touch()
    plan = plan_batch(["scans/a.nii", "more"], Path("more"))
    assert _names(t.scan for t in plan.tasks) == ["a.nii", "y.nii"]


def test_a_file_named_like_a_result_is_a_scan_where_its_scan_is_not(folder: Path) -> None:
    (folder / "q_synthseg.nii").touch()
    (folder / "deeper/a_resampled.nii").touch()
    plan = plan_batch(["scans", "scans/deeper"], Path("out"))
    assert {"q_synthseg.nii", "a_resampled.nii"} <= set(_names(t.scan for t in plan.tasks))


def test_names_in_capitals_are_found_in_a_folder(folder: Path) -> None:
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


def test_the_results_of_one_scan_under_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="two of its results"):
        plan_batch(["scans/a.nii"], Path("o.nii"), posteriors=Path("o.nii"))


def _refused(plan: BatchPlan) -> dict[str, str]:
    return {str(refusal.task.scan): refusal.reason for refusal in plan.refused}


@pytest.mark.parametrize("ending", [".json", ".tsv", ".ctab"])
def test_two_scans_that_only_their_endings_tell_apart_fail_alone(folder: Path, ending: str) -> None:
    (folder / "a.nii.gz").touch()
    plan = plan_batch(["scans"], Path("out"), beside=(ending,))
    assert _names(t.scan for t in plan.tasks) == [
        *("b.nii.gz", "c.mgz", "d.npz", "e.mgh", "f.img"),
    ]
    reasons = _refused(plan)
    assert sorted(reasons) == ["scans/a.nii", "scans/a.nii.gz"]
    for scan, other in (sorted(reasons), sorted(reasons, reverse=True)):
        assert reasons[scan].startswith(f"{scan}: out/a_synthseg{ending} would hold the results of")
        assert f"both it and {other}: rename one" in reasons[scan]
    assert not plan_batch(["scans"], Path("out"), beside=()).refused


def test_only_the_scans_whose_results_collide_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "c_synthseg.json").write_text("{}")
    (tmp_path / "in.txt").write_text(
        "".join(f"scans/{n}\n" for n in ("a.nii", "b.nii.gz", "c.mgz"))
    )
    (tmp_path / "out.txt").write_text("scans/b.nii.gz\no/b.nii\nscans/c_synthseg.mgz\n")
    plan = plan_batch(["in.txt"], Path("out.txt"))
    assert _names(t.scan for t in plan.tasks) == ["b.nii.gz"]
    reasons = _refused(plan)
    assert "would replace the scan scans/b.nii.gz" in reasons["scans/a.nii"]
    assert "not made by this tool" in reasons["scans/c.mgz"]


def test_a_line_that_a_list_repeats_is_one_scan(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("scans/a.nii\nscans/a.nii\n")
    (tmp_path / "out.txt").write_text("o/a.nii\no/a.nii\n")
    for output in ("out.txt", "out"):
        plan = plan_batch(["in.txt"], Path(output))
        assert (len(plan.tasks), plan.refused) == (1, ())


@pytest.mark.parametrize("text", ['{"EchoTime": 0.003}', '{"software": "other"}', "[]", "no JSON"])
def test_the_sidecar_of_a_scan_is_never_replaced(folder: Path, text: str) -> None:
    (folder / "a.json").write_text(text)
    with pytest.raises(UsageError, match="not made by this tool"):
        plan_batch(["scans/a.nii"], folder / "a.mgz")
    assert plan_batch(["scans/a.nii"], folder / "a.mgz", beside=()).tasks


def test_the_sidecar_of_an_earlier_run_may_be_replaced(folder: Path) -> None:
    (folder / "l.json").write_text('{"software": {"name": "synthseg-serving"}}')
    assert plan_batch(["scans/a.nii"], folder / "l.mgz").tasks


@pytest.mark.parametrize("output", ["volumes", "posteriors", "resampled"])
def test_a_folder_under_the_name_of_a_file_to_write_is_refused(
    folder: Path, tmp_path: Path, output: str
) -> None:
    (tmp_path / "v.csv").mkdir()
    (tmp_path / "v.csv/a_posteriors.nii").mkdir()
    (tmp_path / "v.csv/a_resampled.nii").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        _planned("scans/a.nii", Path("o.nii"), output, tmp_path / "v.csv")


def test_links_to_one_file_are_scans_of_their_own(folder: Path) -> None:
    for name in ("s1.nii.gz", "s2.nii.gz"):
        (folder / "deeper" / name).symlink_to("z.nii.gz")
    plan = plan_batch(["scans/deeper", "scans/../scans/deeper/s1.nii.gz"], Path("out"))
    assert _names(t.scan for t in plan.tasks) == ["s1.nii.gz", "s2.nii.gz", "z.nii.gz"]


def test_a_link_to_itself_is_left_to_fail_alone(folder: Path) -> None:
    (folder / "loop.nii").symlink_to("loop.nii")
    plan = plan_batch(["scans"], Path("out"))
    assert "loop.nii" in _names(t.scan for t in plan.tasks)


def test_a_name_too_long_for_a_result_is_left_to_fail_alone(folder: Path) -> None:
    (folder / f"{'x' * 250}.nii").touch()
    (folder.parent / "out").mkdir()
    assert len(plan_batch(["scans"], Path("out")).tasks) == 7


def test_a_folder_that_may_not_be_listed_is_refused(
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        locked = Path(name) / "locked"
        locked.mkdir(mode=0o700)
        with as_nobody():
            with pytest.raises(UsageError, match="locked: cannot be listed: Permission denied"):
                plan_batch([str(locked)], Path("out"))
            # What it holds may be there for others: told when it is read.
            assert plan_batch([str(locked / "s.nii")], locked / "o.nii").single


def test_a_list_that_is_no_text_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a\0b\n")
    with pytest.raises(UsageError, match=r"list\.txt: is no text"):
        plan_batch(["list.txt"], Path("out"))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfscans/a.nii\r\nscans/c.mgz\r\n",
        b"\xef\xbb\xbfscans/a.nii\n\xef\xbb\xbfscans/c.mgz\n",
        "scans/a.nii\r\nscans/c.mgz\r\n".encode("utf-16"),
        b"\xfe\xff" + "scans/a.nii\nscans/c.mgz\n".encode("utf-16-be"),
        "scans/a.nii\nscans/c.mgz\n".encode("utf-32"),
        b"scans/a.nii\rscans/c.mgz\r",
    ],
    ids=["mark", "two marks", "utf-16", "utf-16 be", "utf-32", "old Mac"],
)
def test_a_list_may_come_from_windows(folder: Path, tmp_path: Path, content: bytes) -> None:
    for name in ("in.txt", "out.txt"):
        (tmp_path / name).write_bytes(content)
    assert plan_batch(["in.txt"], Path("o")).tasks[0].scan == Path("scans/a.nii")
    (tmp_path / "out.txt").write_bytes(content.replace(b"scans", b"other"))
    plan = plan_batch(["in.txt"], Path("out.txt" if b"other" in content else "o"))
    assert [t.scan for t in plan.tasks] == [Path("scans/a.nii"), Path("scans/c.mgz")]


@pytest.mark.parametrize("content", [b"\xff\xfea", "scans/a.nii".encode("utf-16-le")])
def test_a_list_in_a_broken_encoding_is_refused(
    folder: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UsageError, match=r"list\.txt: is no text"):
        plan_batch(["list.txt"], Path("out"))


def test_a_list_names_what_is_in_its_lines_to_the_letter(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("#1.nii\na\x85b.nii\n", encoding="utf-8")
    plan = plan_batch(["list.txt"], Path("out"))
    assert _names(t.scan for t in plan.tasks) == ["#1.nii", "a\x85b.nii"]


def test_a_name_in_a_list_that_only_a_shell_understands_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("scans/a.nii\n~/b.nii\n")
    with pytest.raises(UsageError, match=r"list\.txt: ~/b\.nii: a home folder"):
        plan_batch(["list.txt"], Path("out"))


def test_two_stars_find_scans_in_folders_at_any_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = ["bids/anat/s0_T1w.nii.gz", "bids/sub-01/anat/s1_T1w.nii.gz"]
    found += ["bids/sub-02/ses-1/anat/s2_T1w.nii.gz"]
    for name in (*found, "bids/.git/anat/s3_T1w.nii.gz", "bids/sub-01/anat/s1_T1w.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for pattern in ("bids/**/anat/*_T1w.nii.gz", "bids/**"):
        plan = plan_batch([pattern], Path("out"))
        assert [str(task.scan) for task in plan.tasks] == found


def test_a_folder_that_a_pattern_matches_gives_its_scans(folder: Path) -> None:
    plan = plan_batch(["scans/deep*"], Path("out"))
    assert _names(t.scan for t in plan.tasks) == ["z.nii.gz"]


def test_a_pattern_may_name_hidden_files_and_headers(folder: Path) -> None:
    assert _names(t.scan for t in plan_batch(["scans/.*"], Path("o")).tasks) == [".g.nii.gz"]
    assert _names(t.scan for t in plan_batch(["scans/*.hdr"], Path("o")).tasks) == ["f.hdr"]
    for given in (["scans/f.*"], ["scans/f.hdr", "scans/f.img"]):
        assert _names(t.scan for t in plan_batch(given, Path("o")).tasks) == ["f.img"]


def test_the_name_of_a_file_that_is_there_is_no_pattern(folder: Path) -> None:
    for name in ("a[b].nii", "ab.nii", "{c,d}.nii"):
        (folder / name).touch()
    for name in ("a[b].nii", "{c,d}.nii"):
        plan = plan_batch([f"scans/{name}"], Path("o"))
        assert (plan.single, _names(t.scan for t in plan.tasks)) == (True, [name])


@pytest.fixture
def subjects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for subject in ("bert", "anna"):
        (tmp_path / "fs" / subject / "mri").mkdir(parents=True)
        for name in ("orig.mgz", f"{subject}.mgz"):
            (tmp_path / "fs" / subject / "mri" / name).touch()
    return tmp_path / "fs"


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


@pytest.mark.parametrize("before", [["fs/*/mri/orig.mgz"], ["fs/anna/mri/orig.mgz"]])
def test_named_results_of_an_earlier_run_are_no_scans(subjects: Path, before: list[str]) -> None:
    pattern = ["fs/**/*.mgz"]
    expected = [t.scan for t in plan_batch(pattern, Path("fs")).tasks]
    for given in (before, pattern):
        for task in plan_batch(given, Path("fs")).tasks:
            task.labels.touch()
    assert [t.scan for t in plan_batch(pattern, Path("fs")).tasks] == expected


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


def test_what_was_made_of_another_scan_is_not_replaced(subjects: Path, tmp_path: Path) -> None:
    first = plan_batch(["fs/*/mri/orig.mgz"], Path("out"))
    Path("out").mkdir()
    journal = Journal(first.folder / JOURNAL_NAME)
    for task in first.tasks:
        task.labels.write_text("labels")
        outputs = {str(task.labels.absolute()): ""}
        journal.append(task.labels, Entry(str(task.scan.absolute()), "", "", "", outputs, {}))
    assert plan_batch(["fs/*/mri/orig.mgz"], Path("out")).tasks == first.tasks
    shutil.copytree("fs", "study/fs")
    shutil.rmtree("study/fs/bert")
    (subjects.parent / "study/fs/carl").mkdir()
    (subjects.parent / "study/fs/carl/orig.mgz").touch()
    (subjects.parent / "study/fs/anna/mri/orig.mgz").rename("study/fs/anna/orig.mgz")
    plan = plan_batch(["study/fs/*/orig.mgz"], Path("out"))
    assert _names(t.labels for t in plan.tasks) == ["carl_orig_synthseg.mgz"]
    assert "was made of another scan" in _refused(plan)["study/fs/anna/orig.mgz"]
    (subjects / "anna/mri/orig.mgz").unlink()  # moved: its place is free
    assert not plan_batch(["study/fs/*/orig.mgz"], Path("out")).refused

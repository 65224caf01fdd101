from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sessions import names_of
from synthseg_client.batch.plan import plan_batch
from synthseg_client.errors import UsageError


def test_names_in_capitals_are_found_in_a_folder(folder: Path) -> None:
    (folder / "U.NII.GZ").touch()
    (folder / "V.MGZ").touch()
    plan = plan_batch(["scans"], Path("out"))
    assert names_of(t.labels for t in plan.tasks)[:2] == ["U_synthseg.nii.gz", "V_synthseg.mgz"]


def test_a_line_that_a_list_repeats_is_one_scan(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("scans/a.nii\nscans/a.nii\n")
    (tmp_path / "out.txt").write_text("o/a.nii\no/a.nii\n")
    for output in ("out.txt", "out"):
        plan = plan_batch(["in.txt"], Path(output))
        assert (len(plan.tasks), plan.refused) == (1, ())


def test_links_to_one_file_are_scans_of_their_own(folder: Path) -> None:
    for name in ("s1.nii.gz", "s2.nii.gz"):
        (folder / "deeper" / name).symlink_to("z.nii.gz")
    plan = plan_batch(["scans/deeper", "scans/../scans/deeper/s1.nii.gz"], Path("out"))
    assert names_of(t.scan for t in plan.tasks) == ["s1.nii.gz", "s2.nii.gz", "z.nii.gz"]


def test_a_link_to_itself_is_left_to_fail_alone(folder: Path) -> None:
    (folder / "loop.nii").symlink_to("loop.nii")
    plan = plan_batch(["scans"], Path("out"))
    assert "loop.nii" in names_of(t.scan for t in plan.tasks)


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
    assert names_of(t.scan for t in plan.tasks) == ["#1.nii", "a\x85b.nii"]


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
    assert names_of(t.scan for t in plan.tasks) == ["z.nii.gz"]


def test_a_pattern_may_name_hidden_files_and_headers(folder: Path) -> None:
    assert names_of(t.scan for t in plan_batch(["scans/.*"], Path("o")).tasks) == [".g.nii.gz"]
    assert names_of(t.scan for t in plan_batch(["scans/*.hdr"], Path("o")).tasks) == ["f.hdr"]
    for given in (["scans/f.*"], ["scans/f.hdr", "scans/f.img"]):
        assert names_of(t.scan for t in plan_batch(given, Path("o")).tasks) == ["f.img"]


def test_the_name_of_a_file_that_is_there_is_no_pattern(folder: Path) -> None:
    for name in ("a[b].nii", "ab.nii", "{c,d}.nii"):
        (folder / name).touch()
    for name in ("a[b].nii", "{c,d}.nii"):
        plan = plan_batch([f"scans/{name}"], Path("o"))
        assert (plan.single, names_of(t.scan for t in plan.tasks)) == (True, [name])

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.mri_synthseg.arguments import Arguments
from synthseg_client.mri_synthseg.files import Files, plan_files


def _plan(**given: str | Path) -> Files:
    return plan_files(Arguments(**{flag: str(value) for flag, value in given.items()}))  # type: ignore[arg-type]  # all of these take text


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files named as scans and others; relative names start beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    (folder / "deeper.nii.gz").mkdir(parents=True)
    for name in ("b.nii.gz", "a.nii", "c.mgz", "d.npz", "e.mgh", "f.img", ".g.nii.gz", "x.txt"):
        (folder / name).touch()
    return folder


def test_a_file_becomes_a_file(scans: Path, tmp_path: Path) -> None:
    files = _plan(i="scans/b.nii.gz", o="out/seg.mgz", post="p.nii", vol="v", qc="q.csv")
    (task,) = files.plan.tasks
    assert (task.scan, task.labels) == (scans / "b.nii.gz", tmp_path / "out/seg.mgz")
    assert task.posteriors == tmp_path / "p.nii"
    assert task.resampled is None
    assert files.plan.table == tmp_path / "v.csv"
    assert files.plan.quality_table == tmp_path / "q.csv"
    assert files.notes == ("path_volumes provided without csv extension. Adding csv extension.",)
    assert set(files.folders) == {tmp_path / "out", tmp_path}


def test_results_of_a_file_may_lie_in_folders(scans: Path, tmp_path: Path) -> None:
    (task,) = _plan(i="scans/b.nii.gz", o="out", post="out/p", resample="r.d").plan.tasks
    assert task.labels == tmp_path / "out/b_synthseg.nii.gz"
    assert task.posteriors == tmp_path / "out/p/b_posteriors.nii.gz"
    assert task.resampled == tmp_path / "r.d/b_resampled.nii.gz"
    (task,) = _plan(i="scans/c.mgz", o="out").plan.tasks
    assert task.labels == tmp_path / "out/c_synthseg.mgz"


def test_a_folder_becomes_a_folder_in_the_original_s_order(scans: Path, tmp_path: Path) -> None:
    files = _plan(i="scans", o="out", vol="t/v.csv")
    assert [t.scan.name for t in files.plan.tasks] == ["a.nii", "b.nii.gz", "c.mgz", "d.npz"]
    assert [t.labels.name for t in files.plan.tasks] == [
        "a_synthseg.nii", "b_synthseg.nii.gz", "c_synthseg.mgz", "d_synthseg.npz"
    ]  # fmt: skip
    assert files.plan.table == tmp_path / "t/v.csv"
    assert set(files.folders) == {tmp_path / "out", tmp_path / "t"}
    assert not files.in_turn


def test_results_beside_their_scans_are_no_scans_of_the_next_run(scans: Path) -> None:
    (scans / "b_synthseg.nii.gz").touch()
    files = _plan(i="scans", o="scans")
    assert [t.scan.name for t in files.plan.tasks] == ["a.nii", "b.nii.gz", "c.mgz", "d.npz"]
    assert files.left_out == (scans / "b_synthseg.nii.gz",)


def _lists(folder: Path, **columns: list[str]) -> dict[str, str]:
    for flag, names in columns.items():
        (folder / f"{flag}.txt").write_text("\n\n".join(names) + "\n")
    return {flag: f"{flag}.txt" for flag in columns}


def test_lists_are_matched_line_by_line(scans: Path, tmp_path: Path) -> None:
    given = _lists(
        tmp_path,
        i=["scans/b.nii.gz", "scans/c.mgz"],
        o=["x/1.nii.gz", "y/2.mgz", "z/too-many.nii"],
        vol=["1.csv", "2.csv"],
        qc=["1q.csv", "2q.csv"],
    )
    one, two = _plan(**given).plan.tasks
    assert (one.scan, one.labels) == (scans / "b.nii.gz", tmp_path / "x/1.nii.gz")
    assert (one.table, one.quality_table) == (tmp_path / "1.csv", tmp_path / "1q.csv")
    assert (two.labels, two.posteriors) == (tmp_path / "y/2.mgz", None)


def test_scans_that_share_a_result_are_done_in_turn(scans: Path, tmp_path: Path) -> None:
    given = _lists(
        tmp_path, i=["scans/b.nii.gz", "scans/c.mgz"], o=["1.nii", "2.nii"], vol=["v.csv", "v.csv"]
    )
    assert _plan(**given).in_turn


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"o": "x.nii"}, "please specify an input file/folder"),
        ({"i": "scans/a.nii"}, "please specify an output file/folder"),
        ({"i": "scans/no.nii", "o": "x.nii"}, "file does not exist: .*/scans/no.nii"),
        ({"i": "scans/e.mgh", "o": "x.nii"}, "Extension not supported for .*e.mgh"),
        ({"i": "scans/deeper.nii.gz", "o": "x"}, "file does not exist"),
        ({"i": "nowhere", "o": "x"}, "nowhere: cannot be listed"),
        ({"i": "scans", "o": "x.nii.gz"}, "Output FOLDER had a FILE extension: --o"),
        ({"i": "scans", "o": "x.txt"}, "path_segmentations can only be given as text file"),
        ({"i": "scans/a.nii", "o": "x", "qc": "q.txt"}, "path_qc_scores can only be given"),
        ({"i": "list.txt", "o": "x"}, "so must be path_segmentations: --o"),
        ({"i": "no.txt", "o": "no.txt"}, "the list of scans does not exist"),
        ({"i": "list.txt", "o": "short.txt"}, "holds 1 names, .*list.txt holds 2 scans"),
        ({"i": "scans/a.nii", "o": "scans/a.nii"}, "would replace the scan"),
        ({"i": "scans/a.nii", "o": "x", "vol": "t", "qc": "t.csv"}, "both --vol and --qc"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    scans: Path, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    (tmp_path / "list.txt").write_text("scans/a.nii\nscans/b.nii.gz\n")
    (tmp_path / "short.txt").write_text("x.nii\n")
    with pytest.raises(UsageError, match=said):
        _plan(**given)


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no .nii, .nii.gz, .mgz or .npz image could be found"):
        _plan(i=tmp_path, o=tmp_path / "out")

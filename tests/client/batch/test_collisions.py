from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sessions import names_of, refused_of
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.errors import UsageError
from synthseg_client.results.journal import JOURNAL_NAME, Entry, Journal


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


def test_the_results_of_one_scan_under_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="two of its results"):
        plan_batch(["scans/a.nii"], Path("o.nii"), posteriors=Path("o.nii"))


@pytest.mark.parametrize("ending", [".json", ".tsv", ".ctab", ".label.txt", ".ctbl"])
def test_two_scans_that_only_their_endings_tell_apart_fail_alone(folder: Path, ending: str) -> None:
    (folder / "a.nii.gz").touch()
    plan = plan_batch(["scans"], Path("out"), beside=(ending,))
    assert names_of(t.scan for t in plan.tasks) == [
        *("b.nii.gz", "c.mgz", "d.npz", "e.mgh", "f.img"),
    ]
    reasons = refused_of(plan)
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
    assert names_of(t.scan for t in plan.tasks) == ["b.nii.gz"]
    reasons = refused_of(plan)
    assert "would replace the scan scans/b.nii.gz" in reasons["scans/a.nii"]
    assert "not made by this tool" in reasons["scans/c.mgz"]


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
    assert names_of(t.labels for t in plan.tasks) == ["carl_orig_synthseg.mgz"]
    assert "was made of another scan" in refused_of(plan)["study/fs/anna/orig.mgz"]
    (subjects / "anna/mri/orig.mgz").unlink()  # moved: its place is free
    assert not plan_batch(["study/fs/*/orig.mgz"], Path("out")).refused

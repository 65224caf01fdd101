from __future__ import annotations

from pathlib import Path

import pytest
from bids_dataset import ANNEXED, BROKEN, MISSING, TOLD_MISSING, WHOLE, make_dataset
from synthseg_client.bids.selection import select
from synthseg_client.bids.walk import walk_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """The walk looks at no content: empty files do."""

    def touch(path: Path, **_: object) -> Path:
        path.touch()
        return path

    return make_dataset(tmp_path / "ds", touch)


def _names(root: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_scans_are_what_lies_there_and_the_rest_is_told(dataset: Path) -> None:
    walked = walk_dataset(dataset, select())
    found = _names(dataset, [scan.path for scan in walked.scans])
    assert sorted(found) == sorted([*WHOLE, BROKEN])
    assert _names(dataset, [p.path for p in walked.problems]) == [ANNEXED, MISSING, TOLD_MISSING]
    assert "git-annex" in walked.problems[0].reason
    assert walked.sessions == {"a", "b"}
    (note,) = walked.notes
    assert "sub-06" in note


def test_participants_and_sessions_are_chosen(dataset: Path) -> None:
    walked = walk_dataset(dataset, select(["sub-01"], ["b"]))
    assert [scan.name.value("ses") for scan in walked.scans] == ["b"]
    assert not walked.problems
    assert not walked.notes


def test_what_was_asked_for_and_is_not_there_is_told(dataset: Path) -> None:
    walked = walk_dataset(dataset, select(["02", "99"], ["z"]))
    assert [problem.reason for problem in walked.problems] == [
        "no such participant in this dataset",
        "no participant has such a session",
    ]


def test_a_file_in_another_ones_folder_is_told(dataset: Path) -> None:
    (dataset / "sub-02/anat/sub-03_T1w.nii.gz").touch()
    (dataset / "sub-01/ses-b/anat/sub-01_ses-a_T1w.nii.gz").touch()
    reasons = [problem.reason for problem in walk_dataset(dataset, select(["01", "02"])).problems]
    assert reasons == [
        "its name says sub-01, ses-a, but it lies in sub-01/ses-b",
        "its name says sub-03, but it lies in sub-02",
    ]


def test_a_sidecar_for_several_runs_misses_nothing(dataset: Path) -> None:
    (dataset / "sub-01/ses-a/anat/sub-01_ses-a_T1w.json").write_text("{}")
    assert walk_dataset(dataset, select(["01"])).problems == []


def test_broken_tables_and_files_for_folders_stop_nothing(dataset: Path) -> None:
    (dataset / "participants.tsv").write_bytes(b"participant_id\n\xff\xfe\n")
    (dataset / "sub-02/anat").rename(dataset / "sub-02/kept")
    (dataset / "sub-02/anat").touch()
    walked = walk_dataset(dataset, select())
    assert walked.problems[0].reason == "cannot be listed: Not a directory"
    assert any("participants.tsv: cannot be read" in note for note in walked.notes)
    assert len(walked.scans) == len(WHOLE) - 2 + 1  # without two of sub-02, with the broken one


def test_hundreds_of_subjects_are_all_found(tmp_path: Path) -> None:
    for number in range(300):
        folder = tmp_path / f"sub-{number:04d}" / "anat"
        folder.mkdir(parents=True)
        (folder / f"sub-{number:04d}_T1w.nii.gz").touch()
    assert len(walk_dataset(tmp_path, select()).scans) == 300

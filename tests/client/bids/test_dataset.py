from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthseg_client.bids.dataset import (
    describe,
    drop_empty_folders,
    read_description,
    refuse_other_folder,
    write_dataset,
)
from synthseg_client.errors import UsageError

TOLD = {"Name": "Brains", "BIDSVersion": "1.9.0", "DatasetDOI": "doi:10.0.2.3/b"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "ds"
    folder.mkdir()
    (folder / "dataset_description.json").write_text(json.dumps(TOLD))
    return folder


def test_a_derivative_names_its_maker_and_its_source(root: Path) -> None:
    told = describe(root, root / "derivatives/synthseg", read_description(root))
    assert told["DatasetType"] == "derivative"
    assert told["GeneratedBy"][0]["Name"] == "synthseg-serving"  # type: ignore[index]  # of JSON
    assert told["SourceDatasets"] == [{"URL": "../..", "DOI": "doi:10.0.2.3/b"}]
    assert told["DatasetLinks"] == {"raw": "../.."}


def test_a_dataset_elsewhere_is_linked_by_its_address(root: Path, tmp_path: Path) -> None:
    assert describe(root, tmp_path / "out", TOLD)["DatasetLinks"] == {"raw": root.as_uri()}


def test_the_files_are_written_once_and_are_ours(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_dataset(root, out, TOLD)
    assert {p.name for p in out.iterdir()} == {
        "dataset_description.json", ".bidsignore", "README.md"
    }  # fmt: skip
    (out / "README.md").write_text("mine")
    refuse_other_folder(root, out)
    write_dataset(root, out, TOLD)
    assert (out / "README.md").read_text() == "mine"


def test_folders_of_others_are_refused(root: Path, tmp_path: Path) -> None:
    for place in (root, root / "sub-01", root / "sub-01/out"):
        with pytest.raises(UsageError, match="the dataset's own scans"):
            refuse_other_folder(root, place)
    fmriprep = tmp_path / "fmriprep"
    fmriprep.mkdir()
    (fmriprep / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}]}')
    with pytest.raises(UsageError, match="another pipeline"):
        refuse_other_folder(root, fmriprep)
    refuse_other_folder(root, root / "derivatives/synthseg")


@pytest.mark.parametrize(
    ("text", "said"), [(None, "is missing"), ("{", "cannot be read"), ("{}", "lacks Name")]
)
def test_what_is_no_dataset_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "dataset_description.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_description(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        read_description(tmp_path / "none")


def test_participants_of_whom_nothing_came_leave_no_folder(tmp_path: Path) -> None:
    for name in ("sub-1/ses-a/anat", "sub-1/ses-b/anat", "sub-2/anat", "others/anat"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sub-1/ses-a/anat/x.json").touch()
    drop_empty_folders(tmp_path)
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_dir()}
    assert left == {"sub-1", "sub-1/ses-a", "sub-1/ses-a/anat", "others", "others/anat"}

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from bids_dataset import ANNEXED, FAILING, MISSING, TOLD_MISSING, WHOLE, make_dataset
from client_command import run_client
from contract_server import ContractServer, serving
from family import family
from loading import load_nifti
from synthseg_client.bids.validation import find_validator

START = "sub-02/anat/sub-02_space-orig_seg-synthseg"


@pytest.fixture
def dataset(tmp_path: Path, save_scan: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "ds", save_scan)


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_all_that_can_be_is_done_and_each_failure_named(
    address: str, model: ContractServer, dataset: Path
) -> None:
    out = dataset / "derivatives/synthseg"
    run = run_client(
        "bids", dataset, out, "participant", "--server", address, "--skip-bids-validation"
    )
    assert run.exit_code == 1
    for name in FAILING:
        assert f"FAILED {dataset / name}: " in run.output
    assert run.output.count("FAILED") == len(FAILING)
    assert "git-annex" in run.output
    assert run.output.count("done in") == len(model.requests) == len(WHOLE)
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"sub-01", "sub-02"}


def test_no_server_is_needed_where_no_scan_is_there(dataset: Path, tmp_path: Path) -> None:
    words = ("participant", "--participant-label", "03", "05", "--server", "localhost:1")
    run = run_client("bids", dataset, tmp_path / "o", *words)
    assert run.exit_code == 1
    for name in (ANNEXED, MISSING, TOLD_MISSING):
        assert f"FAILED {dataset / name}: " in run.output
    assert not (tmp_path / "o").exists()


def test_labels_lie_on_both_grids_and_tables_name_them(address: str, dataset: Path) -> None:
    out = dataset / "derivatives/synthseg"
    words = ("participant", "--participant-label", "02", "--suffix", "T1w", "--server", address)
    run = run_client("bids", dataset, out, *words)
    assert run.exit_code == 0, run.output
    scan = load_nifti(dataset / "sub-02/anat/sub-02_T1w.nii.gz")
    on_scan, at_1_mm = (
        load_nifti(out / f"{START}{ending}_dseg.nii.gz") for ending in ("", "_res-1mm")
    )
    assert on_scan.shape == scan.shape
    np.testing.assert_allclose(on_scan.affine, scan.affine, atol=1e-4)
    np.testing.assert_allclose(at_1_mm.header.get_zooms(), 1, atol=1e-4)
    for ending in ("", "_res-1mm"):
        told = json.loads((out / f"{START}{ending}_dseg.json").read_text())
        assert told["SpatialReference"] == "bids:raw:sub-02/anat/sub-02_T1w.nii.gz"
        assert ("Resolution" in told) == (ending != "")
        assert "index\tname\tcolor" in (out / f"{START}{ending}_dseg.tsv").read_text()


def test_participants_sessions_and_filters_choose(
    address: str, dataset: Path, tmp_path: Path
) -> None:
    filters = tmp_path / "filters.json"
    filters.write_text(json.dumps({"t1w": {"run": 1}, "bold": {"task": "rest"}}))
    words = ("--participant-label", "01", "sub-02", "--bids-filter-file", filters)
    run = run_client("bids", dataset, tmp_path / "o", "participant", *words, "--server", address)
    assert run.exit_code == 0, run.output
    done = {path.name for path in _files(tmp_path / "o") if "_res-1mm" not in path.name}
    labels = {name for name in done if name.endswith("dseg.nii.gz")}
    assert len(labels) == 4  # run 1, T2w, FLAIR of 01, and T2w of 02, whose T1w has no run
    others = ("--participant_label", "sub-01", "--session-label", "ses-b", "--json")
    run = run_client("bids", dataset, tmp_path / "p", "participant", *others, "--server", address)
    assert run.exit_code == 0, run.output
    assert run.output.count('"status": "done"') == 1


def test_what_is_done_is_not_done_again(
    address: str, model: ContractServer, dataset: Path, tmp_path: Path
) -> None:
    words = ("participant", "--participant-label", "01", "02", "--probseg", "--resample")
    for resume in ([], ["--resume"]):
        run = run_client("bids", dataset, tmp_path / "o", *words, *resume, "--server", address)
        assert run.exit_code == 0, run.output
    assert len(model.requests) == len(WHOLE)
    assert run.output.count("already done") == len(WHOLE)


def test_nothing_is_written_to_the_dataset(
    address: str,
    dataset: Path,
    tmp_path: Path,
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    before = {path: path.stat().st_mtime_ns for path in _files(dataset)}
    out = tmp_path / "o"
    out.mkdir()
    out.chmod(0o777)
    for folder in (dataset, *(p for p in dataset.rglob("*") if p.is_dir())):
        folder.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(folder, folder.stat().st_mode | 0o055)  # noqa: PTH101 - for somebody else to enter
    with as_nobody():
        words = ("participant", "--participant-label", "02", "--server", address)
        run = run_client("bids", dataset, out, *words)
        assert run.exit_code == 0, run.output
        assert run_client("bids", dataset, out, "group").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in _files(dataset)} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["participant", "--no-sidecar"], "--no-sidecar"),
        (["participant", "--participant-label", "9_9"], "no label of BIDS"),
        (["participant", "--suffix", "bold"], "no anatomical image"),
        (["participant", "--bids-filter-file", "none.json"], "cannot be read"),
        (["group"], "run level participant first"),
        (["participant", "--suffix", "PDw"], "no scan was found"),
    ],
)
def test_mistakes_are_told_in_one_line(
    address: str, dataset: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    run = run_client(
        "bids", dataset, tmp_path / "o", *words, "--server", address, "-q", "--skip-bids-validation"
    )
    assert run.exit_code == 2, run.output
    assert said in run.output
    assert len(run.output.strip().splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_a_folder_without_a_description_is_worked_on_when_told(
    address: str, dataset: Path, tmp_path: Path
) -> None:
    (dataset / "dataset_description.json").unlink()
    words = ("bids", dataset, tmp_path / "o", "participant", "--participant-label", "02")
    assert run_client(*words, "--server", address).exit_code == 2
    run = run_client(*words, "--server", address, "--skip-bids-validation")
    assert run.exit_code == 0, run.output


@pytest.fixture
def official() -> Iterator[str]:
    with serving(family()) as target:
        yield target


@pytest.mark.skipif(find_validator() is None, reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("place", ["ds/derivatives/synthseg", "out"])
def test_the_official_validator_accepts_all_of_it(
    official: str, dataset: Path, tmp_path: Path, place: str
) -> None:
    out = tmp_path / place
    words = ("--probseg", "--resample", "--qc", "--parc", "--tables", "--server", official)
    run = run_client("bids", dataset, out, "participant", *words)
    assert run.exit_code == 1
    assert "the BIDS validator finds" in run.output
    run = run_client("bids", dataset, out, "group")
    assert run.exit_code == 0, run.output
    command = [str(find_validator()), str(out), "--format", "json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    issues = told["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert sorted(told["summary"]["subjects"]) == ["01", "02"]
    assert {issue["code"] for issue in issues} <= {
        "SIDECAR_KEY_RECOMMENDED",
        "TOO_FEW_AUTHORS",
        "JSON_KEY_RECOMMENDED",
    }

"""The modes of SynthSeg 2.0 through the command, against a server of all its models."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from client_command import run_client
from contract_server import ContractServer, serving
from family import family
from loading import load_nifti
from synthseg_common import contract
from synthseg_common.official_weights import FILES, MODELS_VARIABLE
from synthseg_common.parcels import PARCELS, QUALITY_GROUPS


@pytest.fixture
def model() -> ContractServer:
    return family()


@pytest.fixture
def address(model: ContractServer) -> Iterator[str]:
    with serving(model) as target:
        yield target


def _rows(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    header, *rows = csv.reader(path.read_text().splitlines())
    return header, {name: numbers for name, *numbers in rows}


def test_a_folder_gets_labels_with_parcels_and_two_tables(
    address: str, scans: Path, tmp_path: Path
) -> None:
    places = ("--o", tmp_path / "out/", "--vol", tmp_path / "v.csv", "--qc", tmp_path / "q")
    run = run_client("segment", "--i", scans, *places, "--parc", "--tables", "--server", address)
    assert run.exit_code == 0, run.output
    header, volumes = _rows(tmp_path / "v.csv")
    assert header[:2] == ["subject", "total intracranial"]
    assert header[-68:] == list(PARCELS.names[1:])
    assert list(volumes) == ["s0", "s1.nii", "s2.mgz", "s3.npz"]
    header, scores = _rows(tmp_path / "q.csv")
    assert header == ["subject", *QUALITY_GROUPS.names[1:]]
    assert scores["s0"][:2] == ["0.1000", "0.2000"]
    labels = load_nifti(tmp_path / "out/s0_synthseg.nii.gz")
    assert labels.get_data_dtype() == np.int16
    assert {1001, 2001} <= set(np.unique(np.asanyarray(labels.dataobj)))
    assert "ctx-lh-bankssts" in (tmp_path / "out/s0_synthseg.tsv").read_text()
    sidecar = json.loads((tmp_path / "out/s0_synthseg.json").read_text())
    assert [m["served_name"] for m in sidecar["companions"]] == [
        contract.PARCELS_MODEL_NAME,
        contract.QUALITY_MODEL_NAME,
    ]
    assert sidecar["quality"]["thalamus"] == pytest.approx(0.6)
    assert sidecar["options"]["qc"] == 224


def test_a_list_gets_a_table_of_scores_for_each_scan(
    address: str, scans: Path, tmp_path: Path
) -> None:
    lists = {
        "--i": [scans / "s0.nii.gz", scans / "s2.mgz"],
        "--o": [tmp_path / "a.nii.gz", tmp_path / "b.mgz"],
        "--qc": [tmp_path / "a.csv", tmp_path / "b.csv"],
    }
    words: list[object] = []
    for flag, entries in lists.items():
        listing = tmp_path / f"{flag[2:]}.txt"
        listing.write_text("\n".join(map(str, entries)))
        words += [flag, listing]
    run = run_client("segment", *words, "--server", address)
    assert run.exit_code == 0, run.output
    header, scores = _rows(tmp_path / "b.csv")
    assert header[0] == ""
    assert list(scores) == ["s2.mgz"]


def test_resuming_keeps_scores_and_notices_another_companion(
    address: str, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    words = ("segment", "--i", scans, "--o", tmp_path / "out/", "--qc", tmp_path / "q.csv")
    run_client(*words, "--server", address)
    first = (tmp_path / "q.csv").read_text()
    (tmp_path / "q.csv").unlink()
    run = run_client(*words, "--resume", "--json", "--server", address)
    assert [json.loads(line)["status"] for line in run.stdout.splitlines()] == ["skipped"] * 4
    assert (tmp_path / "q.csv").read_text() == first
    model.beside[contract.QUALITY_MODEL_NAME].info["training"] = "another"
    run = run_client(*words, "--resume", "--json", "--server", address)
    assert [json.loads(line)["status"] for line in run.stdout.splitlines()] == ["done"] * 4


@pytest.mark.parametrize(
    ("flag", "asked"),
    [("--robust", contract.ROBUST_MODEL_NAME), ("--v1", contract.V1_MODEL_NAME)],
)
def test_the_network_is_chosen_by_a_flag(
    address: str,
    model: ContractServer,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    flag: str,
    asked: str,
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    words = ("segment", "--i", scan, "--o", tmp_path / "l.nii.gz", flag, "--server", address)
    assert run_client(*words).exit_code == 0
    (request,) = model.requests
    assert request["model"] == asked
    assert bool(request[contract.FLIP]) == (flag == "--v1")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--robust", "--v1"), "--robust --v1"),
        (("--autocrop", "--crop", "64"), "--autocrop --crop"),
        (("--qc", "q.csv", "--qc-grid", "100"), "multiple of 16"),
        (("--vol", "t.csv", "--qc", "t.csv"), "--qc t.csv: is the name of another file"),
        (("--qc", "q.nii"), "--qc q.nii"),
        (("--official",), "--official is for a server that is started here"),
    ],
)
def test_contradictions_are_refused_before_anything_is_made(
    address: str,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_scan(tmp_path / "s.nii.gz")
    run = run_client("segment", "--i", "s.nii.gz", "--o", "o/", *words, "--server", address)
    assert run.exit_code == 2
    assert complaint in run.output
    assert [path.name for path in tmp_path.iterdir()] == ["s.nii.gz"]


def test_one_of_two_segmenters_is_to_be_chosen(
    tmp_path: Path, save_scan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNTHSEG_SERVER", raising=False)
    words = ("--i", save_scan(tmp_path / "s.nii.gz"), "--o", tmp_path / "o/")
    run = run_client("segment", *words, "--official", "--model", tmp_path)
    assert run.exit_code == 2
    assert "--official --model: both say which model segments" in run.output


def test_a_server_without_the_model_is_said_to_have_none(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    del model.beside[contract.ROBUST_MODEL_NAME]
    scan = save_scan(tmp_path / "s.nii.gz")
    words = ("segment", "--i", scan, "--o", tmp_path / "o/", "--robust", "--server", address)
    run = run_client(*words)
    assert run.exit_code == 2
    assert "has no model synthseg_robust" in run.output
    assert not (tmp_path / "o").exists()


def test_weights_that_are_missing_are_named_before_a_server_is_started(
    stand_in: Path,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    monkeypatch.delenv("FREESURFER_HOME", raising=False)
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    words = ("segment", "--i", scan, "--o", tmp_path / "l.nii.gz", "--parc")
    run = run_client(*words)
    assert run.exit_code == 2
    assert "FreeSurfer 7.3" in run.output
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    run = run_client(*words)
    assert run.exit_code == 2
    assert FILES[contract.PARCELS_MODEL_NAME] in run.output


@pytest.mark.parametrize(
    ("words", "small"),
    [((), False), (("--fast",), True), (("--fast", "--model", "."), False)],
)
def test_fast_is_the_small_one_of_the_own_models(
    stand_in: Path,
    tmp_path: Path,
    save_scan: Callable[..., Path],
    words: tuple[str, ...],
    small: bool,
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    run = run_client("segment", "--i", scan, "--o", tmp_path / "l.nii.gz", "--verbose", *words)
    assert run.exit_code == 0, run.output
    (started,) = [line for line in run.stderr.splitlines() if "'serve'" in line]
    assert ("'--small'" in started) is small


def test_the_part_that_is_bright_is_segmented(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.npz", (80, 90, 70), np.eye(4))
    data = dict(np.load(scan))
    image = np.zeros((80, 90, 70), np.float32)
    image[20:50, 40:60, 30:62] = 5
    np.savez(scan, vol_data=image, affine=data["affine"])
    words = ("segment", "--i", scan, "--o", tmp_path / "l.npz", "--autocrop", "--server", address)
    run = run_client(*words)
    assert run.exit_code == 0, run.output
    (request,) = model.requests
    # 30, 20 and 32 voxels with one more, rounded up to multiples of 32 around them.
    assert request[contract.IMAGE].shape == (32, 32, 55)

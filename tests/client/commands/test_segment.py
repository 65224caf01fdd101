from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from client_command import run_client
from contract_server import ContractServer
from loading import load_nifti
from synthseg_client.cli import main
from synthseg_client.results.embedded_colours import NIFTI_CODE
from two_readers import place_of


def test_one_scan_is_segmented_with_all_its_companions(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "scan.nii.gz")
    outputs = {"--o": "l.nii.gz", "--post": "p.nii.gz", "--resample": "r.nii.gz", "--vol": "v"}
    words = [word for flag, name in outputs.items() for word in (flag, tmp_path / name)]
    run = run_client("segment", "--i", scan, *words, "--tables", "--server", address)
    assert run.exit_code == 0, run.output
    names = {p.name for p in tmp_path.iterdir()}
    companions = {"l.json", "l.tsv", "l.ctab", "l.label.txt", "l.ctbl"}
    assert names == {
        "scan.nii.gz", "l.nii.gz", "p.nii.gz", "r.nii.gz", "v.csv", *companions
    }  # fmt: skip
    labels = load_nifti(tmp_path / "l.nii.gz")
    posteriors = load_nifti(tmp_path / "p.nii.gz").get_fdata()
    np.testing.assert_allclose(posteriors.sum(axis=-1), 1, atol=1e-3)
    values = np.array([0, 2, 24, 41])[posteriors.argmax(axis=-1)]
    np.testing.assert_array_equal(values, np.asanyarray(labels.dataobj))


@pytest.mark.parametrize("tables", [False, True])
def test_tables_put_names_and_colours_into_nifti_label_maps_too(
    address: str, tmp_path: Path, save_scan: Callable[..., Path], tables: bool
) -> None:
    scan = save_scan(tmp_path / "scan.nii.gz")
    words = ("segment", "--i", scan, "--o", tmp_path / "l.nii.gz", *["--tables"] * tables)
    run = run_client(*words, "--server", address)
    assert run.exit_code == 0, run.output
    extensions = load_nifti(tmp_path / "l.nii.gz").header.extensions
    assert [e.get_code() for e in extensions] == [NIFTI_CODE] * tables
    assert all(b"left-white-matter" in e.get_content() for e in extensions)
    place_of(tmp_path / "l.nii.gz", (1, 2, 3))  # which ITK reads too


def test_a_table_with_and_without_posteriors_is_the_same(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "scan.nii.gz", (160, 160, 160), np.diag([1.0, 1, 1, 1]))
    tables = []
    for index, extra in enumerate(([], ["--post", tmp_path / "p.nii"])):
        table = tmp_path / f"{index}.csv"
        run = run_client(
            *("segment", "--i", scan, "--o", tmp_path / "l.nii", "--vol", table, *extra),
            *("--server", address),
        )
        assert run.exit_code == 0, run.output
        tables.append(np.array(table.read_text().splitlines()[1].split(",")[1:], float))
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-3)


def test_fast_and_ct_reach_the_server(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    flags = ("--fast", "--ct", "--crop", "none")
    run = run_client("segment", "--i", scan, "--o", tmp_path / "l.nii", *flags, "--server", address)
    assert run.exit_code == 0, run.output
    (request,) = model.requests
    assert request["flip"].item() is False
    assert request["image"].max() == 80
    assert request["min_size"].tolist() == [128, 128, 128]


def test_the_part_grows_where_structures_reach_the_cut(
    address: str, model: ContractServer, tmp_path: Path
) -> None:
    volume = np.random.default_rng(0).random((230, 40, 40)).astype(np.float32)
    volume[2:228, 5:35, 5:35] += 100  # wider than the limit
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "s.nii")
    run = run_client(
        "segment", "--i", tmp_path / "s.nii", "--o", tmp_path / "l.nii", "--server", address
    )
    assert run.exit_code == 0, run.output
    assert [r["image"].shape[0] for r in model.requests] == [192, 230]
    assert "enlarged" in run.output
    labels = np.asanyarray(load_nifti(tmp_path / "l.nii").dataobj)
    assert labels[2, 20, 20]
    assert labels[227, 20, 20]


def test_an_explicit_crop_is_obeyed_with_a_warning(
    address: str, model: ContractServer, tmp_path: Path
) -> None:
    volume = np.random.default_rng(0).random((100, 40, 40)).astype(np.float32)
    volume[2:98, 5:35, 5:35] += 100
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "s.nii")
    run = run_client(
        *("segment", "--i", tmp_path / "s.nii", "--o", tmp_path / "l.nii", "--crop", 64),
        *("--server", address),
    )
    assert run.exit_code == 0
    assert len(model.requests) == 1
    assert "a larger one may be needed" in run.output


def test_a_folder_in_the_place_of_a_table_is_told_before_any_work(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan, table = save_scan(tmp_path / "s.nii.gz"), tmp_path / "v.csv"
    table.mkdir()
    run = run_client(
        "segment", "--i", scan, "--o", tmp_path / "o", "--vol", table, "--server", address
    )
    assert run.exit_code == 2
    assert "v.csv: is a folder" in run.output
    assert not model.requests
    assert not (tmp_path / "o").exists()


def test_a_scans_own_sidecar_is_left_alone(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan, sidecar = save_scan(tmp_path / "sub-00_T1w.nii.gz"), tmp_path / "sub-00_T1w.json"
    sidecar.write_text('{"EchoTime": 0.003}')
    words = ("segment", "--i", scan, "--o", tmp_path / "sub-00_T1w.mgz", "--server", address)
    run = run_client(*words)
    assert run.exit_code == 2
    assert "--no-sidecar" in run.output
    assert not model.requests
    assert run_client(*words, "--no-sidecar").exit_code == 0
    assert sidecar.read_text() == '{"EchoTime": 0.003}'


def test_scans_of_one_name_get_results_and_rows_of_their_own(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    for index, subject in enumerate(("bert", "anna")):
        (tmp_path / "fs" / subject / "mri").mkdir(parents=True)
        save_scan(tmp_path / "fs" / subject / "mri/orig.mgz", seed=index)
    table, words = tmp_path / "v.csv", ("segment", "--i", f"{tmp_path}/fs/**/orig.mgz")
    for places in (("--o", tmp_path / "out"), ("--beside-scans",)):
        run = run_client(*words, *places, "--vol", table, "--server", address)
        assert run.exit_code == 0, run.output
        rows = [line.partition(",")[0] for line in table.read_text().splitlines()]
        assert rows == ["subject", "anna_orig.mgz", "bert_orig.mgz"]
    names = {f"{s}_orig_synthseg{e}" for s in ("anna", "bert") for e in (".mgz", ".json")}
    assert {p.name for p in (tmp_path / "out").iterdir() if p.name[0] != "."} == names
    assert (tmp_path / "fs/bert/mri/orig_synthseg.mgz").exists()


@pytest.mark.parametrize("others", [0, 1])
def test_scans_that_only_their_endings_tell_apart_fail_alone(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path], others: int
) -> None:
    folder = tmp_path / "dup"
    folder.mkdir()
    for name in ("T1.nii", "T1.nii.gz", "T2.nii")[: 2 + others]:
        save_scan(folder / name)
    words = ("segment", "--i", folder, "--o", tmp_path / "out", "--server", address)
    run = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert run.exit_code == 1
    records = {Path(r["scan"]).name: r for r in map(json.loads, run.stdout.splitlines())}
    statuses = {"T1.nii": "failed", "T1.nii.gz": "failed", "T2.nii": "done"}
    assert {name: r["status"] for name, r in records.items()} == dict(
        [*statuses.items()][: 2 + others]
    )
    assert f"both it and {folder / 'T1.nii.gz'}" in records["T1.nii"]["error"]
    assert run.stderr.count(f"FAILED {folder / 'T1.nii'}: ") == 1
    assert len(model.requests) == others


def test_a_server_that_is_too_slow_fails_the_scan(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    model.delay_s = 600
    scan, out = save_scan(tmp_path / "s.nii.gz"), tmp_path / "out"
    run = run_client("segment", "--i", scan, "--o", out, "--timeout", 0.2, "--server", address)
    assert run.exit_code == 1
    assert "did not answer in time" in run.output
    assert not list(out.iterdir())

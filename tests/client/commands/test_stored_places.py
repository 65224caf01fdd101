"""`segment` with scans and results in a real S3 server: as with folders, `--resume` too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from client_command import run_client
from contract_server import ContractServer
from synthseg_common import object_storage as storage


@pytest.fixture
def dataset(bucket: str, tmp_path: Path, save_scan: Callable[..., Path]) -> str:
    """A folder of three scans, one of them deeper, and a sidecar."""
    for index, name in enumerate(("a.nii.gz", "b.nii.gz", "deep/c.nii.gz")):
        storage.put(save_scan(tmp_path / "s.nii.gz", seed=index), f"{bucket}/in/{name}")
    storage.put_bytes(b"{}", f"{bucket}/in/a.json")
    return f"{bucket}/in"


def names_below(address: str) -> set[str]:
    return {entry.url.removeprefix(address + "/") for entry in storage.listing(address)}


RECORDS = ".synthseg-records"


def test_a_folder_in_a_bucket_is_segmented_into_another_and_resumed(
    bucket: str, dataset: str, address: str, model: ContractServer, tmp_path: Path
) -> None:
    out = f"{bucket}/out"
    words = ("segment", "--i", dataset, "--o", f"{out}/", "--vol", f"{out}/v.csv", "--json")
    run = run_client(*words, "--server", address)
    assert run.exit_code == 0, run.output
    outcomes = [json.loads(line) for line in run.stdout.splitlines()]
    assert {o["scan"] for o in outcomes} == {f"{dataset}/a.nii.gz", f"{dataset}/b.nii.gz"}
    assert f"{dataset}/a.nii.gz -> {out}/a_synthseg.nii.gz" in run.stderr
    results = {f"{n}_synthseg{e}" for n in "ab" for e in (".nii.gz", ".json")}
    records = {f"{RECORDS}/{n}_synthseg.nii.gz.json" for n in "ab"}
    assert names_below(out) == {*results, *records, f"{RECORDS}/writable", "v.csv"}
    table = storage.get_bytes(f"{out}/v.csv")
    assert table is not None
    assert [line.split(b",")[0] for line in table.splitlines()] == [b"subject", b"a", b"b"]
    model.requests.clear()
    storage.remove([f"{out}/a_synthseg.json"])
    run = run_client(*words, "--resume", "--server", address)
    outcomes = [json.loads(line) for line in run.stdout.splitlines()]
    assert {o["scan"][-8:-7]: o["status"] for o in outcomes} == {"a": "done", "b": "skipped"}
    assert len(model.requests) == 1
    assert storage.get_bytes(f"{out}/v.csv") == table
    storage.put(tmp_path / "s.nii.gz", f"{dataset}/a.nii.gz")
    run = run_client(*words, "--resume", "--server", address)
    assert len(model.requests) == 2


@pytest.mark.parametrize("form", ["pattern", "list", "stored list", "scans"])
def test_patterns_and_lists_work_as_those_of_files(
    bucket: str, dataset: str, address: str, tmp_path: Path, form: str
) -> None:
    names = [f"{dataset}/a.nii.gz", f"{dataset}/deep/c.nii.gz", f"{dataset}/lost.nii.gz"]
    (tmp_path / "l.txt").write_text("\n".join(names))
    storage.put(tmp_path / "l.txt", f"{bucket}/l.txt")
    forms: dict[str, list[object]] = {
        "pattern": [f"{dataset}/**/[ac].nii.gz"],
        "list": [tmp_path / "l.txt"],
        "stored list": [f"{bucket}/l.txt"],
        "scans": [*names],
    }
    run = run_client("segment", "--i", *forms[form], "--o", tmp_path / "out", "--server", address)
    assert {p.name for p in (tmp_path / "out").glob("*.gz")} == {
        "a_synthseg.nii.gz",
        "c_synthseg.nii.gz",
    }, run.output
    assert run.exit_code == (0 if form == "pattern" else 1)
    assert ("FAILED" in run.stderr) == (form != "pattern")
    if form != "pattern":
        assert f"{dataset}/lost.nii.gz: no such object" in run.stderr
    assert "synthseg-mirror" not in run.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--i", "ftp://host/s.nii.gz", "--o", "out"], "ftp://host/s.nii.gz: is an address of"),
        (["--i", "s3://bucket//s.nii.gz", "--o", "out"], "each part with a name"),
        (["--i", "s3://bucket/s.dcm", "--o", "out"], "DICOM is read from folders"),
        (["--i", "s.nii.gz", "--o", "out", "--report", "s3://b/r"], "--report s3:/b/r: takes a"),
        (["--i", "s3://b/s.nii", "--beside-scans"], "--beside-scans: is for scans in folders"),
        (["--i", "s3://b/x/s.nii", "--o", "s3://b/x/"], "would lie among the scans"),
    ],
)
def test_what_no_address_can_be_given_for_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.nii.gz").touch()
    run = run_client("segment", *words)
    assert run.exit_code == 2
    assert said in run.output
    assert run.output.count("\n") == 1


def test_a_bucket_that_cannot_be_written_is_told_before_any_work(
    dataset: str, address: str, model: ContractServer
) -> None:
    run = run_client("segment", "--i", dataset, "--o", "s3://nobodys/out/", "--server", address)
    assert run.exit_code == 2
    assert "s3://nobodys/out" in run.output
    assert not model.requests

"""`merge` of what parts of a dataset left, here and in a real S3 server."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from client_command import run_client
from contract_server import ContractServer
from synthseg_common import object_storage as storage


def test_parts_become_one_table_and_what_is_wrong_is_named(
    address: str, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    out, table = tmp_path / "out", tmp_path / "t.csv"
    (scans / "broken.nii").write_text("no scan")
    words = ("segment", "--i", scans, "--o", out, "--server", address)
    codes = {run_client(*words, "--shard", f"{part}/3").exit_code for part in (1, 2, 3)}
    assert codes == {0, 1}
    (scans / "late.nii.gz").touch()
    (out / "s1_synthseg.json").unlink()
    run = run_client("merge", out, "--i", scans, "--o", table, "--json")
    assert run.exit_code == 1
    told = json.loads(run.stdout)
    counts = {"scans": 6, "done": 3, "incomplete": 1, "failed": 1, "missing": 1, "duplicates": 0}
    assert {key: told[key] for key in counts} == counts
    assert told["models"] == {"synthseg:1": 3}
    assert f"FAILED {scans / 'broken.nii'}: " in run.stderr
    assert f"MISSING {scans / 'late.nii.gz'}: nothing is recorded of it" in run.stderr
    assert f"INCOMPLETE {scans / 's1.nii'}: {out / 's1_synthseg.json'}: is gone" in run.stderr
    with table.open() as stream:
        rows = {row["subject"]: row for row in csv.DictReader(stream)}
    assert rows["s0"]["status"] == "done"
    assert float(rows["s0"]["csf"]) > 0
    assert rows["late"]["csf"] == ""
    (scans / "broken.nii").unlink()
    (scans / "late.nii.gz").unlink()
    model.version = 2
    for part in (1, 2, 3):
        run_client(*words, "--resume", "--shard", f"{part}/3")
    run = run_client("merge", out, "--i", scans, "--o", table)
    assert "FAILED" in run.stderr, "what failed is told until it is done, or its record removed"


def test_results_in_object_storage_are_merged_there(
    address: str,
    model: ContractServer,
    bucket: str,
    tmp_path: Path,
    save_scan: Callable[..., Path],
) -> None:
    for index, name in enumerate("ab"):
        scan = save_scan(tmp_path / f"{name}.nii.gz", seed=index)
        storage.put(scan, f"{bucket}/in/{name}.nii.gz")
    words = ("segment", "--i", f"{bucket}/in", "--o", f"{bucket}/out/", "--server", address)
    for version in (1, 2):
        model.version = version
        assert run_client(*words, "--resume", "--shard", f"{version}/2").exit_code == 0
    table = f"{bucket}/out/t.csv"
    run = run_client("merge", f"{bucket}/out", "--i", f"{bucket}/in", "--o", table, "--json")
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert (told["done"], sum(told["models"].values())) == (2, 2)
    content = storage.get_bytes(table)
    assert content is not None
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["scan"] for row in rows] == [f"{bucket}/in/{name}.nii.gz" for name in "ab"]
    storage.put_bytes(b"other", f"{bucket}/out/a_synthseg.nii.gz")
    run = run_client("merge", f"{bucket}/out", "--o", table, "-q")
    assert run.exit_code == 1
    assert f"{bucket}/out/a_synthseg.nii.gz: is gone or was changed" in run.stderr
    assert "synthseg-mirror" not in run.output


@pytest.mark.parametrize("place", ["lost", "s3://nobodys/out"])
def test_a_place_that_is_not_there_is_told_in_one_line(tmp_path: Path, place: str) -> None:
    run = run_client("merge", place, "--o", tmp_path / "t.csv")
    assert run.exit_code == 2
    assert place in run.output
    assert run.output.count("\n") == 1

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from client_command import run_client
from contract_server import ContractServer
from sessions import Once
from synthseg_client.cli import main
from synthseg_common import contract


def test_answers_of_two_versions_are_told_at_the_end(
    address: str, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    def newer() -> None:
        model.version = 2

    model.arrived = Once(newer, at=2)
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--jobs", "1"]
    run = CliRunner().invoke(main, [*words, "--server", address, "--json", "--quiet"])
    assert run.exit_code == 0, run.output
    last = run.stderr.splitlines()[-1]
    assert "synthseg:1 1 times, synthseg:2 3 times" in last
    models = [json.loads(line)["model"] for line in run.stdout.splitlines()]
    assert models == ["synthseg:1", *["synthseg:2"] * 3]


def test_one_version_is_nothing_to_tell(address: str, scans: Path, tmp_path: Path) -> None:
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--server", address]
    assert "of one model version" not in CliRunner().invoke(main, words).output


def test_json_gives_one_object_per_scan(
    address: str, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    save_scan(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii.gz").write_text("no scan")
    run = CliRunner().invoke(
        main,
        [
            "segment",
            "--i",
            str(tmp_path),
            "--o",
            str(tmp_path / "o"),
            "--json",
            "--server",
            address,
        ],
    )
    assert run.exit_code == 1
    records = {Path(r["scan"]).name: r for r in map(json.loads, run.stdout.splitlines())}
    assert records["a.nii.gz"]["status"] == "done"
    assert records["a.nii.gz"]["volumes_mm3"]["csf"] > 0
    assert records["b.nii.gz"]["status"] == "failed"
    assert "b.nii.gz" in records["b.nii.gz"]["error"]


def test_the_list_of_failures_names_the_scans(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scans = [save_scan(tmp_path / f"s{i}.nii.gz", seed=i) for i in range(2)]
    model.tamper = lambda outputs: {
        **outputs,
        contract.FOREGROUND: np.zeros_like(outputs[contract.FOREGROUND]),
        contract.POSTERIORS: outputs[contract.POSTERIORS][:0],
    }
    run = run_client("segment", "--i", *scans, "--o", tmp_path / "o", "--server", address)
    assert run.exit_code == 1
    listed = [line.strip() for line in run.output.splitlines() if line.startswith("  ")]
    assert sorted(line.partition(": nothing was found")[0] for line in listed) == [*map(str, scans)]


@pytest.mark.parametrize("command", ["segment", "labels", "status"])
def test_a_full_disk_under_standard_output_is_told_in_one_line(
    address: str, tmp_path: Path, save_scan: Callable[..., Path], command: str
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    files = ["--i", str(scan), "--o", str(tmp_path / "l.nii"), "--json"]
    words = files if command == "segment" else []
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "synthseg_client", command, *words, "--server", address],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert run.returncode == 1
    assert len(run.stderr.strip().splitlines()) == 1
    assert "standard output: cannot be written: No space left" in run.stderr

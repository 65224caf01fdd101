from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from client_command import run_client
from contract_server import ContractServer


def test_several_files_and_crop_numbers_may_follow_their_option(
    address: str, model: ContractServer, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scans = [save_scan(tmp_path / f"s{i}.nii.gz", seed=i) for i in range(3)]
    run = run_client(
        *("segment", "--i", *scans, "--crop", 40, 64, 80, "--o", tmp_path / "out", "--jobs", 1),
        *("--server", address),
    )
    assert run.exit_code == 0, run.output
    assert len(list((tmp_path / "out").glob("s?_synthseg.nii.gz"))) == 3
    assert {tuple(r["min_size"].tolist()) for r in model.requests} == {(64, 64, 96)}

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from client_command import run_client
from contract_server import ContractServer


def test_a_folder_that_may_not_be_written_is_told_before_any_work(
    address: str,
    model: ContractServer,
    save_scan: Callable[..., Path],
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    import synthseg_client.commands.segment  # noqa: F401 - while modules may still be read

    with tempfile.TemporaryDirectory() as name:
        scan = save_scan(Path(name) / "s.nii.gz")
        folder = Path(name) / "out"
        folder.mkdir(mode=0o555)
        Path(name).chmod(0o755)
        with as_nobody():
            run = run_client("segment", "--i", scan, "--o", folder, "--server", address)
        assert not list(folder.iterdir())
    assert run.exit_code == 1
    assert "no permission to write" in run.output
    assert not model.requests


def test_one_folder_that_may_not_be_written_fails_its_scans_alone(
    address: str, tmp_path: Path, save_scan: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_scan(tmp_path / "s.nii")
    (tmp_path / "in.txt").write_text("s.nii\ns.nii\nmissing/t.nii\n")
    (tmp_path / "out.txt").write_text("s.nii/1.nii\no/2.nii\nnew/3.nii\n")
    run = run_client("segment", "--i", "in.txt", "--o", "out.txt", "--server", address)
    assert run.exit_code == 1
    assert "FAILED s.nii: " in run.output
    assert "cannot be made for the results" in run.output
    assert (tmp_path / "o/2.nii").exists()
    assert not (tmp_path / "new").exists()

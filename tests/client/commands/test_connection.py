from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from client_command import run_client
from contract_server import ContractServer
from synthseg_client import messages_pb2 as wire
from synthseg_client.cli import main


@pytest.mark.parametrize("choice", ["@", "synthseg@", "@stable", ":1", "synthseg:"])
def test_a_model_without_a_name_or_label_is_no_choice(
    address: str, scans: Path, choice: str
) -> None:
    words = ["labels", "--server", address, "--model", choice]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 2
    assert f"--model {choice}: expected NAME, NAME:VERSION or NAME@LABEL" in run.output


@pytest.mark.parametrize("command", ["labels", "status"])
def test_asking_about_a_model_that_is_not_served_is_a_mistake_too(
    address: str, command: str
) -> None:
    run = CliRunner().invoke(main, [command, "--server", address, "--model", "other"])
    assert run.exit_code == 2, run.output


def test_a_version_that_has_ended_is_no_mistake_of_the_caller(
    address: str, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    model.states = {1: wire.ModelVersionStatus.AVAILABLE, 7: wire.ModelVersionStatus.END}
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--server", address]
    run = CliRunner().invoke(main, [*words, "--model", "synthseg:7"])
    assert run.exit_code == 1, run.output


def test_a_server_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan = save_scan(tmp_path / "s.nii.gz")
    words = ("segment", "--i", scan, "--o", tmp_path / "l.nii", "--server", "localhost:1")
    run = run_client(*words, "--server-wait", 0)
    assert run.exit_code == 1
    assert "no server answers at localhost:1" in run.output
    assert len(run.output.strip().splitlines()) == 1


@pytest.mark.parametrize("token", ["caf\u00e9", "two\nlines", "\udce9"])
@pytest.mark.parametrize("from_file", [True, False])
def test_what_is_no_token_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, from_file: bool
) -> None:
    stored, given = token.encode(errors="surrogateescape"), []
    if from_file:
        (tmp_path / "t").write_bytes(stored)
        given = ["--token-file", tmp_path / "t"]
    else:
        monkeypatch.setenv("SYNTHSEG_TOKEN", token)
    run = run_client("status", "--server", "localhost:1", *given)
    assert run.exit_code == 2
    assert (str(tmp_path / "t") if from_file else "SYNTHSEG_TOKEN") in run.output
    assert "two" not in run.output
    assert len(run.output.strip().splitlines()) == 1

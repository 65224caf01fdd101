from __future__ import annotations

import getpass
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from contract_server import ContractServer
from synthseg_client.cli import main

SECTIONS = ("versions", "extras", "server", "processor", "memory", "disks", "environment")


def _asked(*words: object) -> tuple[int, dict[str, Any]]:
    run = CliRunner().invoke(main, ["doctor", "--json", *map(str, words)])
    return run.exit_code, json.loads(run.stdout)


def test_a_server_that_answers_is_described_and_all_is_usable(address: str) -> None:
    code, told = _asked("--server", address)
    assert (code, told["usable"], told["problems"]) == (0, True, [])
    assert tuple(told)[2:] == SECTIONS
    server = told["server"]
    assert server["reachable"]
    assert (server["model"], server["labels"], server["health"]) == ("synthseg:1", 4, "SERVING")
    assert 0 <= server["answer_s"] < 60
    assert told["versions"]["python"] == platform.python_version()


def test_the_report_is_text_unless_json_is_asked_for(address: str) -> None:
    run = CliRunner().invoke(main, ["doctor", "--server", address])
    assert run.exit_code == 0, run.output
    lines = run.output.splitlines()
    assert [line[:-1] for line in lines if line.endswith(":")] == list(SECTIONS)
    assert "  model: synthseg:1" in lines
    assert lines[-1] == "all usable"


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        (["--server", "localhost:1"], "no server answers", "HOST:PORT"),
        (["--server", "ADDRESS", "--model", "other"], "no such model", "--model"),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(
    address: str, words: list[str], what: str, remedy: str
) -> None:
    code, told = _asked(*(address if word == "ADDRESS" else word for word in words))
    (problem,) = told["problems"]
    assert (code, told["usable"], told["server"]["reachable"]) == (1, False, False)
    assert what in problem["what"]
    assert remedy in problem["remedy"]


def test_a_model_of_another_contract_is_told(address: str, model: ContractServer) -> None:
    model.contract_version = 99
    code, told = _asked("--server", address)
    assert code == 1
    assert "update the older of client and model" in told["problems"][0]["remedy"]


def test_without_a_server_none_is_started_unless_asked_for(stand_in: Path) -> None:
    code, told = _asked()
    assert code == 0
    assert told["server"] == {"kind": "started here", "installed": True}


def test_a_server_is_started_to_see_and_ends(stand_in: Path) -> None:
    code, told = _asked("--start")
    assert code == 0, told["problems"]
    assert told["server"]["starts"]
    assert told["server"]["ready_s"] > 0
    assert told["server"]["labels"] == 4


def test_a_server_that_does_not_start_is_told(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    code, told = _asked("--start", "--model", tmp_path / "broken")
    assert code == 1
    assert told["server"]["starts"] is False
    assert "did not start" in told["problems"][0]["what"]


def test_a_server_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthseg_client.diagnosis.server.is_installed", lambda: False)
    code, told = _asked()
    assert code == 1
    assert "synthseg-serving[serving]" in told["problems"][0]["remedy"]


def test_contradicting_options_are_wrong_use(address: str) -> None:
    run = CliRunner().invoke(main, ["doctor", "--server", address, "--threads", "2"])
    assert run.exit_code == 2
    assert "--threads and --cpu are for a server that is started here" in run.output


def test_nothing_names_a_path_a_host_or_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, model: ContractServer
) -> None:
    model.failures = [grpc.StatusCode.INTERNAL]
    monkeypatch.setenv("SYNTHSEG_TOKEN", "secret-token")
    monkeypatch.chdir(tmp_path)
    runs = [
        CliRunner().invoke(main, ["doctor", *words])
        for words in (["--server", address], ["--server", f"unix:{tmp_path / 'none'}"], [])
    ]
    said = "".join(run.output for run in runs)
    port = address.rpartition(":")[2]
    names = [str(tmp_path), str(Path.home()), port, "localhost", "secret", platform.node()]
    assert [name for name in names if len(name) > 2 and name in said] == []
    values = [line.partition(": ")[2] for line in said.splitlines()]
    assert [value for value in values if value.startswith(("/", getpass.getuser()))] == []
    assert "SYNTHSEG_TOKEN: set" in said


def test_tensorflow_is_named_and_not_imported(address: str) -> None:
    code = f"""
import sys
from synthseg_client.cli import main
try:
    main(["doctor", "--server", {address!r}, "--json"])
except SystemExit as end:
    assert end.code == 0
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told, loaded = run.stdout.splitlines()
    assert loaded == "[]"
    assert _is_version(json.loads(told)["versions"], "numpy")


def test_a_package_that_does_not_load_is_told(address: str) -> None:
    code = f"""
import sys
sys.modules["grpc"] = None
from synthseg_client.cli import main
main(["doctor", "--server", {address!r}, "--json"])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    (problem,) = json.loads(run.stdout)["problems"]
    assert "grpc cannot be imported" in problem["what"]


def _is_version(versions: Mapping[str, str], name: str) -> bool:
    return versions[name][0].isdigit()

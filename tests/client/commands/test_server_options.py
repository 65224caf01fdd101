from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from client_command import run_client
from synthseg_client.cli import main


def test_a_wait_for_a_server_that_was_not_named_is_refused(scans: Path, tmp_path: Path) -> None:
    words = ["segment", "--i", str(scans), "--o", str(tmp_path / "out"), "--server-wait", "5"]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 2
    assert "--server-wait is for a server that was named" in run.output


def test_the_server_may_be_named_in_the_environment(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHSEG_SERVER", address)
    assert run_client("labels").exit_code == 0

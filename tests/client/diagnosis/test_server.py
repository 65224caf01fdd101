from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from contract_server import ContractServer
from synthseg_client.api import open_session
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.diagnosis.server import look_at_named_server, look_at_own_server
from synthseg_common.contract import BYTES_PER_VOXEL

ONCE = RetryPolicy(attempts=1, server_wait_s=0)


def test_a_named_server_is_asked(address: str) -> None:
    found = look_at_named_server(partial(open_session, address))
    assert found.problems == ()
    assert found.facts["model"] == "synthseg:1"


def test_an_address_where_nobody_answers_is_a_problem(tmp_path: Path) -> None:
    nobody = f"unix:{tmp_path / 'none'}"
    found = look_at_named_server(partial(open_session, nobody, retry=ONCE))
    (problem,) = found.problems
    assert "no server answers" in problem.what
    assert str(tmp_path) not in str(problem)


def test_an_own_server_tells_what_memory_it_takes(address: str, model: ContractServer) -> None:
    model.info = {BYTES_PER_VOXEL: 300}
    found, needed = look_at_own_server(partial(open_session, address))
    assert found.facts["starts"]
    assert needed == 300 * 192**3


@pytest.mark.parametrize("installed", [True, False])
def test_without_a_start_it_is_told_whether_one_is_possible(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthseg_client.diagnosis.server.is_installed", lambda: installed)
    found, needed = look_at_own_server(None)
    assert found.facts["installed"] is installed
    assert bool(found.problems) is not installed
    assert needed is None

from __future__ import annotations

from pathlib import Path

import grpc
import numpy as np
import pytest
from contract_server import ContractServer, Mortal, serving
from sessions import (
    IMPATIENT,
    MIN_SIZE,
    PATIENT,
    send_scan,
    session_with,
)
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    ServerError,
    ServerUnreachableError,
)
from synthseg_common import contract


def test_answers_larger_than_the_default_limit_of_grpc_arrive(session: Session) -> None:
    image = np.random.default_rng(0).random((160, 160, 96)).astype(np.float32)
    answer, _ = session.segment(image, MIN_SIZE, flip=False, outputs=contract.DENSE)
    assert answer[contract.POSTERIORS].nbytes > 4 * 2**20


def test_an_address_where_nobody_answers_is_told() -> None:
    with (
        Session("localhost:1", retry=IMPATIENT) as session,
        pytest.raises(ServerUnreachableError, match="no server answers at localhost:1"),
    ):
        session.describe()


def test_requests_are_spread_over_the_servers_behind_one_name() -> None:
    models = [ContractServer(), ContractServer()]
    with session_with(*models) as session:
        for _ in range(8):
            send_scan(session)
    # Label tables are asked for in between.
    assert min(len(m.requests) for m in models) >= 3


def test_a_unix_socket_serves_too(tmp_path: Path) -> None:
    where = f"unix:{tmp_path / 's.sock'}"
    with serving(ContractServer(), where) as address, Session(address) as session:
        assert session.status() == {1: "AVAILABLE"}


def test_a_session_that_was_closed_starts_no_server_again(
    server: Mortal, model: ContractServer
) -> None:
    """Closing breaks the connection: that is no server to look after, nor anything to tell."""
    said: list[str] = []
    revived: list[None] = []
    session = Session(
        server.address, retry=PATIENT, revive=lambda: revived.append(None), tell=said.append
    )
    model.arrived = lambda _: session.close()
    model.delay_s = 600
    session.describe()
    with pytest.raises(ServerError):
        send_scan(session)
    assert not revived
    assert not said


def test_servers_behind_one_name_are_killed_twice_at_most(model: ContractServer) -> None:
    """Where another server answers at once, nobody waits."""
    said: list[str] = []
    with serving(model) as first, serving(model) as second:
        ports = ",".join(f"127.0.0.1:{a.rpartition(':')[2]}" for a in (first, second))
        model.failures, model.failure_details = [grpc.StatusCode.UNAVAILABLE] * 9, "Socket closed"
        with Session(f"ipv4:{ports}", retry=PATIENT, tell=said.append) as session:
            with pytest.raises(Exception, match="lost 2 times"):
                send_scan(session)
            model.failures.clear()
            send_scan(session)
    assert len(model.requests) == 3
    assert not said

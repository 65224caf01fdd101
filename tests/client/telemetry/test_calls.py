"""What is noted of each call to a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from contract_server import ContractServer, Mortal, serving
from synthseg_client.api import open_session, segment
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.errors import ServerTimeoutError
from synthseg_client.telemetry.calls import observed, watching
from synthseg_common.telemetry import trace

IMAGE = np.arange(64, dtype=np.float32).reshape(4, 4, 4)


class Noted:
    """Takes down what it is told."""

    def __init__(self) -> None:
        self.waiting = 0
        self.awaited = 0
        self.ended: list[tuple[str, int]] = []

    def wait_began(self) -> None:
        self.awaited += 1

    def wait_ended(self) -> None:
        self.awaited -= 1

    def call_began(self) -> None:
        self.waiting += 1

    def call_ended(self, code: str, seconds: float, voxels: int) -> None:
        self.waiting -= 1
        self.ended.append((code, voxels))


def test_nothing_is_noted_or_sent_where_nobody_asked() -> None:
    assert observed("/a/b") is observed("/c/d", 5)
    model = ContractServer()
    with serving(model) as address, open_session(address) as session:
        segment(IMAGE, session)
    assert trace.HEADER not in model.requests[0]["metadata"]


def test_calls_are_counted_try_by_try_and_carry_the_scan_s_trace() -> None:
    model, noted, heard = ContractServer(), Noted(), list[trace.Span]()
    model.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    patient = RetryPolicy(first_wait_s=0.01)
    with (
        serving(model) as address,
        open_session(address, retry=patient) as session,
        watching(noted),
        trace.listening(heard.append),
        trace.span("scan") as scan,
    ):
        segment(IMAGE, session)
    assert noted.waiting == 0
    assert [end for end in noted.ended if end[1]] == [("RESOURCE_EXHAUSTED", 64), ("OK", 64)]
    sent = [trace.read_header(r["metadata"].get(trace.HEADER)) for r in model.requests]
    assert scan.context is not None
    tries = [span for span in heard if span.attributes.get("voxels")]
    assert {span.context for span in tries} >= set(sent), "each try is a step of its own"
    assert {span.parent for span in tries} == {scan.context}
    assert [span.error for span in tries] == ["RESOURCE_EXHAUSTED", ""]


def test_a_call_that_was_in_vain_is_counted_with_its_code() -> None:
    model: Any = ContractServer(delay_s=30)
    noted = Noted()
    with (
        serving(model) as address,
        open_session(address, timeout_s=0.2) as session,
        watching(noted),
        pytest.raises(ServerTimeoutError),
    ):
        segment(IMAGE, session)
    assert ("DEADLINE_EXCEEDED", 64) in noted.ended


def test_an_answer_is_awaited_while_the_server_is_away(tmp_path: Path) -> None:
    """Then no call is under way, and yet somebody waits."""
    noted, seen = Noted(), list[tuple[int, int]]()
    with Mortal(ContractServer(), tmp_path) as mortal:
        patient = RetryPolicy(server_wait_s=60)

        def revive() -> None:
            seen.append((noted.awaited, noted.waiting))
            mortal.start()

        session = Session(mortal.address, retry=patient, revive=revive, tell=lambda _: None)
        with session, watching(noted):
            session.describe()
            mortal.die()
            segment(IMAGE, session)
    assert seen == [(1, 0)]
    assert noted.awaited == 0

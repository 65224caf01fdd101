from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from contract_server import ContractServer, Mortal
from sessions import PATIENT, segment_folder, send_scan
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    AccessDeniedError,
    LostOnScanError,
    ModelError,
    RequestTooLargeError,
    ServerBusyError,
    ServerTimeoutError,
)
from synthseg_common import contract
from synthseg_common.arrays import AnyArray

Inputs = dict[str, AnyArray]


def test_a_server_that_is_busy_is_asked_again(session: Session, model: ContractServer) -> None:
    session.describe()
    model.failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    send_scan(session)
    assert len(model.requests) == 3


def test_a_queue_that_stays_full_is_told(session: Session, model: ContractServer) -> None:
    model.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED] * 9
    with pytest.raises(ServerBusyError):
        send_scan(session)
    assert len(model.requests) == 3


def test_a_server_that_says_when_it_has_a_place_is_asked_then_and_as_often_as_it_takes(
    address: str, model: ContractServer
) -> None:
    model.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED] * 4
    model.failure_reason, model.retry_after_ms = contract.MEMORY_FULL, 100
    started = time.monotonic()
    with Session(address, retry=RetryPolicy(attempts=1, first_wait_s=60)) as session:
        send_scan(session)
    assert len(model.requests) == 5
    assert time.monotonic() - started >= 4 * 0.1


def test_a_place_is_waited_for_so_long_and_no_longer(address: str, model: ContractServer) -> None:
    model.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED] * 99
    model.failure_reason, model.retry_after_ms = contract.QUEUE_FULL, 50
    with (
        Session(address, retry=RetryPolicy(attempts=1, busy_wait_s=0.3)) as session,
        pytest.raises(ServerBusyError, match="has no place"),
    ):
        send_scan(session)
    assert 2 <= len(model.requests) <= 7


def test_a_request_that_may_kill_the_server_is_sent_twice_at_most(
    address: str, model: ContractServer
) -> None:
    model.failures = [grpc.StatusCode.UNAVAILABLE] * 9
    model.failure_details = "Socket closed"
    patient = RetryPolicy(attempts=9, first_wait_s=0.01)
    with (
        Session(address, retry=patient) as session,
        pytest.raises(LostOnScanError, match="lost 2 times while it had this scan"),
    ):
        send_scan(session)
    assert len(model.requests) == 2


@pytest.mark.parametrize(
    ("code", "details", "error"),
    [
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVER: Received message larger than max (67108928 vs. 4194304)",
            RequestTooLargeError,
        ),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "OOM when allocating tensor with shape[1,256,256,256,24]",
            RequestTooLargeError,
        ),
        (grpc.StatusCode.UNAUTHENTICATED, "no token", AccessDeniedError),
        (grpc.StatusCode.PERMISSION_DENIED, "not you", AccessDeniedError),
        (grpc.StatusCode.INVALID_ARGUMENT, "Expects arg[0] to be float", ModelError),
    ],
)
def test_what_repeating_cannot_mend_is_not_repeated(
    session: Session,
    model: ContractServer,
    code: grpc.StatusCode,
    details: str,
    error: type[Exception],
) -> None:
    model.failures, model.failure_details = [code] * 3, details
    with pytest.raises(error, match=re.escape(details)):
        send_scan(session)
    assert len(model.requests) == 1


def test_a_server_that_is_too_slow_is_given_up(address: str, model: ContractServer) -> None:
    model.delay_s = 600
    with (
        Session(address, timeout_s=0.3) as session,
        pytest.raises(ServerTimeoutError, match="longer timeout"),
    ):
        send_scan(session)
    assert not model.busy


def test_a_longer_timeout_is_advised_only_where_an_option_gives_one(
    session: Session, model: ContractServer
) -> None:
    model.describe_delay_s = 600
    with pytest.raises(ServerTimeoutError, match="did not answer in time") as raised:
        session.predict({}, signature=contract.DESCRIBE_SIGNATURE, timeout_s=0.2)
    assert "longer" not in str(raised.value)


def _deadly(server: Mortal, image: np.ndarray) -> Callable[[Inputs], None]:
    """Kills the server whenever an image arrives; it is started again at once."""

    def arrived(inputs: Inputs) -> None:
        if inputs[contract.IMAGE].max() == image.max():
            server.die()
            server.start()

    return arrived


def test_a_scan_that_kills_the_server_twice_is_blamed_and_the_others_go_on(
    server: Mortal, model: ContractServer, scans: Path, tmp_path: Path
) -> None:
    with Session(server.address, retry=PATIENT) as session:
        segment_folder(session, scans / "s1.nii")
        deadly = model.requests[0][contract.IMAGE]
        model.requests.clear()
        model.arrived = _deadly(server, deadly)
        outcomes = {o.task.scan.name: o for o in segment_folder(session, scans, jobs=4, requests=4)}
    assert Counter(o.status for o in outcomes.values()) == {"done": 3, "failed": 1}
    failed = outcomes["s1.nii"]
    assert not failed.left
    assert "the server was lost 2 times while it had this scan" in failed.error
    assert "First, the connection to" in failed.error
    assert server.starts == 3
    sent = Counter(float(r[contract.IMAGE].max()) for r in model.requests)
    assert sent[float(deadly.max())] == 2

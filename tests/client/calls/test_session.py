from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from contract_server import NAMES, VALUES, ContractServer, serving
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.channel import ServerAddress, normalise_target
from synthseg_client.calls.deadlines import default_timeout_s
from synthseg_client.calls.methods import Method
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    AccessDeniedError,
    AnswerError,
    LostOnScanError,
    ModelError,
    RequestTooLargeError,
    ServerBusyError,
    ServerTimeoutError,
    ServerUnreachableError,
    UsageError,
)
from synthseg_client.model import Model
from synthseg_common import contract
from synthseg_common.arrays import AnyArray

IMAGE = np.random.default_rng(0).random((20, 24, 28)).astype(np.float32)
IMPATIENT = RetryPolicy(attempts=3, first_wait_s=0.01, server_wait_s=0)
MIN_SIZE = (32, 32, 32)


def _segment(
    session: Session, metadata: dict[str, str] | None = None
) -> tuple[dict[str, AnyArray], Model]:
    return session.segment(IMAGE, MIN_SIZE, flip=True, outputs=contract.EVIDENCE, metadata=metadata)


def test_the_label_table_comes_from_the_server(session: Session) -> None:
    described = session.describe()
    assert described.label_values.tolist() == list(VALUES)
    assert described.label_names == NAMES
    assert described.title == "synthseg:1"
    assert described.has_csf


def test_only_what_was_asked_for_travels(session: Session, model: ContractServer) -> None:
    answer, _ = _segment(session)
    assert set(answer) == set(contract.EVIDENCE)
    (request,) = model.requests
    np.testing.assert_array_equal(request["image"], IMAGE)
    assert request["min_size"].tolist() == list(MIN_SIZE)
    assert request["flip"].item() is True


def test_status_health_and_metadata_are_told(session: Session) -> None:
    assert session.status() == {1: "AVAILABLE"}
    assert session.health() == "SERVING"
    assert contract.POSTERIORS in session.metadata()[contract.SEGMENT_SIGNATURE]["outputs"]


def test_answers_larger_than_the_default_limit_of_grpc_arrive(session: Session) -> None:
    image = np.random.default_rng(0).random((160, 160, 96)).astype(np.float32)
    answer, _ = session.segment(image, MIN_SIZE, flip=False, outputs=contract.DENSE)
    assert answer[contract.POSTERIORS].nbytes > 4 * 2**20


def test_metadata_and_token_go_with_every_call(address: str, model: ContractServer) -> None:
    told = ServerAddress(target=address, metadata={"Tenant": "a"}, token="secret")
    with Session(told) as session:
        _segment(session, metadata={"request-id": "7"})
    sent = model.requests[0]["metadata"]
    assert sent["tenant"] == "a"
    assert sent["authorization"] == "Bearer secret"
    assert sent["request-id"] == "7"


def test_a_token_never_travels_readable() -> None:
    with pytest.raises(UsageError, match="TLS"):
        ServerAddress(target="example.org:8500", token="secret")
    assert "secret" not in repr(ServerAddress(target="localhost:8500", token="secret"))


def test_a_server_that_is_busy_is_asked_again(session: Session, model: ContractServer) -> None:
    session.describe()
    model.failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    _segment(session)
    assert len(model.requests) == 3


def test_a_queue_that_stays_full_is_told(session: Session, model: ContractServer) -> None:
    model.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED] * 9
    with pytest.raises(ServerBusyError):
        _segment(session)
    assert len(model.requests) == 3


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
        _segment(session)
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
        _segment(session)
    assert len(model.requests) == 1


def test_a_server_that_is_too_slow_is_given_up(address: str, model: ContractServer) -> None:
    model.delay_s = 600
    with (
        Session(address, timeout_s=0.3) as session,
        pytest.raises(ServerTimeoutError, match="longer timeout"),
    ):
        _segment(session)
    assert not model.busy


def test_a_longer_timeout_is_advised_only_where_an_option_gives_one(
    session: Session, model: ContractServer
) -> None:
    model.describe_delay_s = 600
    with pytest.raises(ServerTimeoutError, match="did not answer in time") as raised:
        session.predict({}, signature=contract.DESCRIBE_SIGNATURE, timeout_s=0.2)
    assert "longer" not in str(raised.value)


@pytest.mark.parametrize("name", [contract.LABELS, contract.TOP_PROBABILITY])
def test_a_few_bytes_stand_for_no_more_than_was_asked_for(
    session: Session, model: ContractServer, name: str
) -> None:
    """As a server could make its clients fill their memory."""
    session.describe()
    model.declared = {name: [1024, 1024, 1024]}
    with pytest.raises(AnswerError, match=f"{name} .* stand for 1073741824, expected"):
        session.segment(IMAGE, MIN_SIZE, flip=True, outputs=(name,))


def test_a_few_bytes_of_a_description_stand_for_no_more_labels_than_there_can_be(
    session: Session, model: ContractServer
) -> None:
    model.declared = {contract.FLIP_CHANNELS: [2**24]}
    with pytest.raises(AnswerError, match="stand for 16777216, expected 65536 at most"):
        session.describe()


def test_the_default_deadline_grows_with_the_scan() -> None:
    small, large = (default_timeout_s(n**3) for n in (96, 256))
    assert large > 2 * small
    assert default_timeout_s(96**3, flip=False) < small


def test_an_address_where_nobody_answers_is_told() -> None:
    with (
        Session("localhost:1", retry=IMPATIENT) as session,
        pytest.raises(ServerUnreachableError, match="no server answers at localhost:1"),
    ):
        session.describe()


def test_a_model_of_another_contract_is_refused(session: Session, model: ContractServer) -> None:
    model.contract_version = 99
    with pytest.raises(ModelError, match="version 99 of the contract"):
        session.describe()


def test_labels_and_table_stay_together_when_the_version_changes(
    session: Session, model: ContractServer
) -> None:
    assert _segment(session)[1].version == 1
    model.version = 2
    _, answered = _segment(session)
    assert answered.version == 2


def test_requests_are_spread_over_the_servers_behind_one_name() -> None:
    models = [ContractServer(), ContractServer()]
    with _servers(*models) as session:
        for _ in range(8):
            _segment(session)
    # Label tables are asked for in between.
    assert min(len(m.requests) for m in models) >= 3


def test_every_answer_comes_with_the_table_of_the_version_that_made_it() -> None:
    models = [ContractServer(version=v, names=(*NAMES[:-1], f"of {v}")) for v in (1, 2, 3)]
    with _servers(*models) as session, ThreadPoolExecutor(4) as pool:
        told = [model for _, model in pool.map(lambda _: _segment(session), range(24))]
    assert all(model.label_names[-1] == f"of {model.version}" for model in told)
    # No scan travels twice.
    assert [len(m.requests) for m in models] == [
        sum(model.version == m.version for model in told) for m in models
    ]


def test_a_version_that_no_server_has_is_told(address: str) -> None:
    choice = ModelChoice(version=7)
    with Session(address, choice) as session, pytest.raises(ModelError, match="synthseg, 7"):
        _segment(session)


@contextmanager
def _servers(*models: ContractServer) -> Iterator[Session]:
    """A session with several servers behind one name, to all of which it is connected."""
    with ExitStack() as stack:
        ports = [stack.enter_context(serving(m, "127.0.0.1:0")).rpartition(":")[2] for m in models]
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        session = stack.enter_context(Session(target, retry=IMPATIENT))
        deadline = time.monotonic() + 60
        while not all(model.requests for model in models):
            session.predict({contract.IMAGE: IMAGE}, [contract.LABELS])
            assert time.monotonic() < deadline
        for model in models:
            model.requests.clear()
        yield session


def test_a_server_of_another_kind_is_told(address: str) -> None:
    other = Method("/some.Other/Call", wire.GetModelStatusRequest, wire.GetModelStatusResponse)
    with Session(address) as session, pytest.raises(ModelError, match="no TensorFlow model server"):
        session._connection.call(other, wire.GetModelStatusRequest(), 5)


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("host", "host:8500"),
        ("host:9000", "host:9000"),
        ("grpc://host:9000", "host:9000"),
        ("[::1]", "[::1]:8500"),
        ("[::1]:9000", "[::1]:9000"),
        ("unix:/tmp/s.sock", "unix:/tmp/s.sock"),
    ],
)
def test_addresses_are_understood(given: str, target: str) -> None:
    assert normalise_target(given) == target


@pytest.mark.parametrize("given", ["", "http://host:8501", "host:port", "host:99999"])
def test_addresses_that_cannot_be_right_are_refused(given: str) -> None:
    with pytest.raises(UsageError):
        normalise_target(given)


def test_a_unix_socket_serves_too(tmp_path: Path) -> None:
    where = f"unix:{tmp_path / 's.sock'}"
    with serving(ContractServer(), where) as address, Session(address) as session:
        assert session.status() == {1: "AVAILABLE"}

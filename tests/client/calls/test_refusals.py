"""What refusals mean, by those that servers and gRPC itself really give."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from contract_server import ContractServer, Mortal, serving
from sessions import send_scan
from synthseg_client import errors
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.methods import PREDICT
from synthseg_client.calls.refusals import SAYINGS, Meaning, meaning_of, translate
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session

ONCE = RetryPolicy(attempts=1)
FULL, DOWN = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE


def _refusal(code: grpc.StatusCode, details: str, reason: str = "") -> Exception:
    """The client's error for a real server's refusal."""
    model = ContractServer(failures=[code], failure_details=details, failure_reason=reason)
    with (
        serving(model) as address,
        Session(address, retry=ONCE) as session,
        pytest.raises(errors.ServerError) as raised,
    ):
        send_scan(session)
    return raised.value


# Words of servers and proxies that do not run here, as their sources or recordings have them.
SAID = [
    (FULL, "SERVER: Received message larger than max (67108928 vs. 4194304)", Meaning.TOO_LARGE),
    (FULL, "grpc: received message larger than max (67108928 vs. 4194304)", Meaning.TOO_LARGE),
    (FULL, "gRPC message exceeds maximum size 4194304: 67108928", Meaning.TOO_LARGE),
    (
        FULL,
        "OOM when allocating tensor with shape[1,256,256,256,24] and type float on "
        "/job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu",
        Meaning.TOO_LARGE,
    ),
    (FULL, "the server has not enough memory.", Meaning.TOO_LARGE),
    (grpc.StatusCode.UNKNOWN, "Received http2 header with status: 413", Meaning.TOO_LARGE),
    (FULL, "no room in the queue", Meaning.BUSY),
    (FULL, "the memory of this message board is allocated to other rooms", Meaning.BUSY),
    (
        FULL,
        "the server is busy and 8 requests are waiting, as many as it takes; try again later.",
        Meaning.BUSY,
    ),
    (FULL, "Concurrent RPC limit exceeded!", Meaning.BUSY),
    (
        DOWN,
        "The batch scheduling queue to which this task was submitted is full; currently 4 tasks",
        Meaning.BUSY,
    ),
    (DOWN, "no healthy upstream", Meaning.NEVER_SENT),
    (
        DOWN,
        "upstream connect error or disconnect/reset before headers. reset reason: "
        "remote connection failure, transport failure reason: delayed connect error: 111",
        Meaning.NEVER_SENT,
    ),
    (
        DOWN,
        "upstream connect error or disconnect/reset before headers. reset reason: "
        "connection termination",
        Meaning.BROKEN,
    ),
    (DOWN, "Received http2 header with status: 502", Meaning.BROKEN),
    (DOWN, "certificates of this message were lost: connection refused to say why", Meaning.BROKEN),
    (grpc.StatusCode.CANCELLED, "CANCELLED", Meaning.BROKEN),  # by a server that ends
    (DOWN, "empty address list: dns:///synthseg-serving:8500", Meaning.NEVER_SENT),
    (DOWN, "failed to connect to all addresses; last error: timeout", Meaning.NEVER_SENT),
]
ERRORS = {
    Meaning.TOO_LARGE: errors.RequestTooLargeError,
    Meaning.BUSY: errors.ServerBusyError,
    Meaning.NEVER_SENT: errors.ServerUnreachableError,
    Meaning.BROKEN: errors.LostOnScanError,
}


@pytest.mark.parametrize(("code", "details", "meaning"), SAID)
def test_words_of_servers_and_proxies_are_understood(
    code: grpc.StatusCode, details: str, meaning: Meaning
) -> None:
    assert type(_refusal(code, details)) is ERRORS[meaning]


@pytest.mark.parametrize("details", ["OOM when allocating tensor with shape[1]", "", "no room"])
@pytest.mark.parametrize("meaning", [Meaning.TOO_LARGE, Meaning.BUSY])
def test_a_reason_beside_the_words_decides(details: str, meaning: Meaning) -> None:
    assert type(_refusal(FULL, details, meaning.value)) is ERRORS[meaning]


@pytest.mark.parametrize(
    ("told_ms", "expected_s"), [(None, None), (0, 0.0), (1500, 1.5), (-1, None)]
)
def test_when_to_come_back_is_read(told_ms: int | None, expected_s: float | None) -> None:
    model = ContractServer(failures=[FULL], retry_after_ms=told_ms)
    once = RetryPolicy(attempts=1, busy_wait_s=0)
    with (
        serving(model) as address,
        Session(address, retry=once) as session,
        pytest.raises(errors.ServerBusyError) as raised,
    ):
        send_scan(session)
    assert raised.value.retry_after_s == expected_s


def test_what_tensorflow_serving_was_recorded_to_say_is_understood(shared_data: Path) -> None:
    """By code alone, but for the limit of messages."""
    expected = {
        "NOT_FOUND": errors.ModelGoneError,
        "INVALID_ARGUMENT": errors.BadRequestError,
        "FAILED_PRECONDITION": errors.ModelError,
        "DEADLINE_EXCEEDED": errors.ServerTimeoutError,
        "RESOURCE_EXHAUSTED": errors.RequestTooLargeError,
        "UNIMPLEMENTED": errors.ModelError,
        "INTERNAL": errors.ServerError,
    }
    said = set()
    for path in sorted((shared_data / "tf_serving").glob("tfs220_*.json")):
        for answer in json.loads(path.read_text()).values():
            if found := re.fullmatch(r"([A-Z_]+)\(\d+\): ?(.*)", answer, re.DOTALL):
                said.add(found.groups())
    assert len(said) > 30
    for name, details in said:
        error = translate(_Said(grpc.StatusCode[name], details), "there:8500")
        assert type(error) is expected[name], details


class _Said(grpc.RpcError):
    """An error with recorded words."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[()]:
        return ()


@contextmanager
def _listening(answer: bytes) -> Iterator[str]:
    """Somebody else's port: answers whoever connects with a few bytes and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _asked(address: str, *options: tuple[str, object]) -> tuple[grpc.RpcError, Exception]:
    """What plain gRPC says of an address, and what the client makes of it."""
    with grpc.insecure_channel(address, options) as channel:
        call = PREDICT.over(channel)
        with pytest.raises(grpc.RpcError) as raised:
            call(wire.PredictRequest(), timeout=60)
    with Session(address, retry=ONCE) as session, pytest.raises(errors.ServerError) as told:
        session.status()
    return raised.value, told.value


@pytest.mark.parametrize("policy", ["round_robin", "pick_first"])
@pytest.mark.parametrize("place", ["port", "socket", "left socket", "name", "mute"])
def test_a_server_that_is_not_there_was_sent_nothing(
    tmp_path: Path, place: str, policy: str
) -> None:
    with socket.socket(socket.AF_UNIX) as left, _listening(b"") as mute:
        left.bind(str(tmp_path / "left"))
        address = {
            "port": "localhost:1",
            "socket": f"unix:{tmp_path / 'nothing'}",
            "left socket": f"unix:{tmp_path / 'left'}",
            "name": "nosuchhost.invalid:8500",
            "mute": mute,
        }[place]
        said, error = _asked(address, ("grpc.lb_policy_name", policy))
    assert meaning_of(said) is Meaning.NEVER_SENT, said.details()
    assert type(error) is errors.ServerUnreachableError


def test_a_web_server_is_told_from_a_model_server() -> None:
    with _listening(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as address:
        said, error = _asked(address)
    assert meaning_of(said) is Meaning.WEB_SERVER, said.details()
    assert "is a web server, expected gRPC" in str(error)


def test_a_server_that_dies_has_had_the_request(tmp_path: Path) -> None:
    model = ContractServer()
    with Mortal(model, tmp_path) as server, Session(server.address, retry=ONCE) as session:
        session.describe()
        model.arrived = lambda _: server.die()
        with pytest.raises(errors.LostOnScanError, match=r"broke: .*, while the server had this"):
            send_scan(session)


def _echoed(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    return channel.unary_unary("/a/b")


def _echo(request: bytes, _context: grpc.ServicerContext) -> bytes:
    return request


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("what", ["receive", "send"])
def test_the_limits_of_grpc_are_understood(side: str, what: str) -> None:
    limit = (f"grpc.max_{what}_message_length", 5)
    server = grpc.server(ThreadPoolExecutor(1), options=[limit] if side == "server" else [])
    echo: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a", {"b": echo}),))
    port = server.add_insecure_port("localhost:0")
    server.start()
    with grpc.insecure_channel(
        f"localhost:{port}", [limit] if side == "client" else []
    ) as channel, pytest.raises(grpc.RpcError) as raised:  # fmt: skip
        _echoed(channel)(b"longer than that", timeout=60)
    server.stop(0).wait()
    assert meaning_of(raised.value) is Meaning.TOO_LARGE, raised.value.details()


def test_every_saying_has_its_example() -> None:
    """Those about certificates are heard in test_channel, and in tests/serving/test_tls_proxy."""
    for saying in SAYINGS:
        heard = [d for code, d, _ in SAID if code is saying.code and saying.words.search(d)]
        by_grpc = saying.meaning in (Meaning.NOT_TRUSTED, Meaning.WEB_SERVER)
        assert heard or by_grpc, saying

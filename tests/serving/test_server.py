"""The embedded server: queue, addresses, TLS, and its end."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from certificates import make_authority
from server_calls import ONES, QUICK, TIMEOUT_S, Calls, Running, refused
from stand_in import BegunRun, LongRun
from synthseg_common import contract
from synthseg_common.processor import available_cores
from synthseg_serving.credentials import Tls
from synthseg_serving.errors import ModelError, StartError
from synthseg_serving.manager import State
from synthseg_serving.server import Server, ServerSettings
from synthseg_serving.versions import ModelConfig


def test_full_queue_refuses_and_later_serves(
    start: Callable[..., Running],
    synth_config: Callable[..., ModelConfig],
    synth_dir: Path,
    long_run: Callable[[Path], LongRun],
    eventually: Callable[..., bool],
) -> None:
    calls, run = start(synth_config(synth_dir), waiting=1, **QUICK).calls, long_run(synth_dir)
    request = calls.request("slow", image=run.image)
    futures = [calls.prediction.Predict.future(request, timeout=TIMEOUT_S) for _ in range(4)]
    assert eventually(lambda: sum(future.done() for future in futures) == 2)
    refusals = [future.exception().code() for future in futures if future.done()]
    assert refusals == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    reasons = [dict(f.trailing_metadata())[contract.REASON] for f in futures if f.done()]
    assert reasons == [contract.QUEUE_FULL] * 2
    run.end()
    answers = [future.result() for future in futures if future.exception() is None]
    assert len(answers) == 2
    assert calls.predict("", image=ONES)["volumes"].tolist() == [8]


def test_places_are_free_again_when_the_deadline_has_passed(
    start: Callable[..., Running],
    synth_config: Callable[..., ModelConfig],
    synth_dir: Path,
    eventually: Callable[..., bool],
) -> None:
    calls = start(synth_config(synth_dir), waiting=1, **QUICK).calls
    request = calls.request("slow", image=ONES)
    futures = [calls.prediction.Predict.future(request, timeout=2) for _ in range(2)]
    codes = [future.exception().code() for future in futures]
    assert codes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2

    def served_again() -> bool:
        try:
            return bool(calls.predict("", image=ONES)["volumes"].tolist() == [8])
        except grpc.RpcError:
            return False

    # The callers are gone at once, their runs a moment later.
    assert eventually(served_again)


def test_unix_socket_is_the_users_alone(
    start: Callable[..., Running], connect: Callable[..., Calls], model_dir: Path
) -> None:
    running = start(
        ModelConfig(name="synthseg", base_path=model_dir),
        addresses=(f"unix:{model_dir.parent}/own", "localhost:0"),
    )
    path = Path(running.server.addresses[0].removeprefix("unix:"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    host, port = running.server.addresses[1].split(":")
    assert host == "localhost"
    assert int(port) > 0
    assert connect(running.server.addresses[1]).status() == [(1, State.AVAILABLE)]


@pytest.mark.parametrize("address", ["localhost:99999", "localhost", "localhost:http"])
def test_an_address_without_a_port_that_can_be_is_refused(model_dir: Path, address: str) -> None:
    config = ModelConfig(name="synthseg", base_path=model_dir)
    with pytest.raises(StartError, match=rf"^{address} names no port from 0 to 65535"):
        Server([config], ServerSettings(addresses=(address,)))


def test_taken_port_and_file_in_the_way_are_errors(
    start: Callable[..., Running], model_dir: Path, tmp_path: Path
) -> None:
    config = ModelConfig(name="synthseg", base_path=model_dir)
    taken = start(config, addresses=("localhost:0",)).server.addresses[0]
    with pytest.raises(StartError, match=f"cannot listen on {taken}"):
        Server([config], ServerSettings(addresses=(taken,)))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StartError, match="exists and is no socket"):
        Server([config], ServerSettings(addresses=(f"unix:{tmp_path}/file",)))
    assert (tmp_path / "file").read_text() == "mine"


def test_socket_at_which_another_server_answers_is_left_to_it(
    start: Callable[..., Running], model_dir: Path
) -> None:
    config = ModelConfig(name="synthseg", base_path=model_dir)
    first = start(config)
    (taken,) = first.server.addresses
    with pytest.raises(StartError, match="another server answers at"):
        Server([config], ServerSettings(addresses=(taken,)))
    assert first.calls.status() == [(1, State.AVAILABLE)]


def test_socket_of_a_server_that_is_too_busy_to_answer_is_left_to_it(
    model_dir: Path, tmp_path: Path
) -> None:
    config = ModelConfig(name="synthseg", base_path=model_dir)
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(StartError, match="another server answers at"):
            Server([config], ServerSettings(addresses=(f"unix:{path}",)))
        assert path.is_socket()


def test_socket_that_a_killed_server_left_behind_is_taken(
    start: Callable[..., Running], model_dir: Path, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    running = start(
        ModelConfig(name="synthseg", base_path=model_dir), addresses=(f"unix:{tmp_path}/s",)
    )
    assert running.calls.status() == [(1, State.AVAILABLE)]


def test_folder_without_versions_is_an_error(tmp_path: Path) -> None:
    config = ModelConfig(name="synthseg", base_path=tmp_path)
    settings = ServerSettings(addresses=(f"unix:{tmp_path}/s",))
    with pytest.raises(ModelError, match="holds no version to serve"):
        Server([config], settings)
    assert not (tmp_path / "s").exists()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, a server's certificate for localhost, and a client's."""
    return make_authority(tmp_path_factory.mktemp("tls"))


def test_tls_lets_in_only_signed_clients(
    model_dir: Path, start: Callable[..., Running], certificates: Path
) -> None:
    tls = Tls(
        key=certificates / "server.key",
        certificate=certificates / "server.pem",
        client_ca=certificates / "ca.pem",
    )
    config = ModelConfig(name="synthseg", base_path=model_dir)
    running = start(config, addresses=("localhost:0",), tls=tls)
    root, key, certificate = (
        (certificates / n).read_bytes() for n in ("ca.pem", "client.key", "client.pem")
    )

    def status(*client: bytes) -> object:
        credentials = grpc.ssl_channel_credentials(root, *client)
        options = [("grpc.enable_http_proxy", 0)]
        with grpc.secure_channel(running.server.addresses[0], credentials, options) as channel:
            return type(running.calls)(channel, "synthseg").status()

    assert status(key, certificate) == [(1, State.AVAILABLE)]
    code, _ = refused(status)
    assert code == "UNAVAILABLE"
    code, _ = refused(running.calls.status)
    assert code == "UNAVAILABLE"


def test_missing_tls_file_is_named(model_dir: Path, tmp_path: Path) -> None:
    config = ModelConfig(name="synthseg", base_path=model_dir)
    tls = Tls(key=tmp_path / "no.key", certificate=tmp_path / "no.pem")
    with pytest.raises(StartError, match=r"no\.pem cannot be read"):
        Server([config], ServerSettings(addresses=("localhost:0",), tls=tls))


def test_stop_finishes_what_was_accepted(
    start: Callable[..., Running],
    synth_config: Callable[..., ModelConfig],
    synth_dir: Path,
    begin_long_run: Callable[[Calls, Path], BegunRun],
    eventually: Callable[..., bool],
) -> None:
    running = start(synth_config(synth_dir))
    server, calls = running.server, running.calls
    run, future = begin_long_run(calls, synth_dir)
    stopper = threading.Thread(target=server.stop, args=(TIMEOUT_S,))
    stopper.start()

    def takes_no_more() -> bool:
        try:
            calls.status()
        except grpc.RpcError as error:
            return error.code() is grpc.StatusCode.UNAVAILABLE
        return False

    assert eventually(takes_no_more)
    assert not future.done()
    run.end()
    assert tf.make_ndarray(future.result().outputs["labels"]).shape == (500, 500)
    stopper.join(TIMEOUT_S)
    assert not stopper.is_alive()
    assert not Path(server.addresses[0].removeprefix("unix:")).exists()


def test_cores_are_those_the_process_may_use() -> None:
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))

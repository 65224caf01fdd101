"""The embedded server: hot reload, queue, limits, TLS, and the model as a caller sees it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from server_calls import TIMEOUT_S, Calls, Running, refused
from stand_in import BegunRun, LongRun
from synthseg_common import contract
from synthseg_serving.errors import ModelError, StartError
from synthseg_serving.manager import ModelManager, State
from synthseg_serving.server import Server, ServerSettings, Tls, available_cores
from synthseg_serving.versions import ModelConfig, VersionPolicy
from synthseg_trainer.network.bundle import Bundle

ONES = np.ones((2, 2, 2), np.float32)
QUICK = {"poll_s": 0.1, "packed": False}


def test_request_with_only_an_image_uses_the_defaults(served: Calls, scan: np.ndarray) -> None:
    answer = served.predict("", (contract.LABELS, contract.NETWORK_SHAPE), image=scan)
    assert answer[contract.NETWORK_SHAPE].tolist() == [contract.DEFAULT_MIN_SIZE] * 3
    assert answer[contract.LABELS].shape == scan.shape
    plain = served.predict("", (contract.LABELS,), image=scan, flip=False)
    assert (plain[contract.LABELS] != answer[contract.LABELS]).any()


def test_signature_tells_shapes_types_and_defaults(served: Calls) -> None:
    signature = served.metadata().signature_def[contract.SEGMENT_SIGNATURE]
    sizes = {n: [d.size for d in i.tensor_shape.dim] for n, i in signature.inputs.items()}
    assert sizes == {"image": [-1, -1, -1], "min_size": [3], "flip": [], "smooth": []}
    defaults = {n: tf.make_ndarray(t).tolist() for n, t in signature.defaults.items()}
    assert defaults == {"min_size": [128, 128, 128], "flip": True, "smooth": True}
    assert set(signature.outputs) == {
        contract.LABELS,
        contract.NETWORK_LABELS,
        *contract.EVIDENCE,
        *contract.DENSE,
    }


def test_describe_answers_the_label_table(served: Calls, bundle: Bundle) -> None:
    table = served.predict(contract.DESCRIBE_SIGNATURE)
    assert table[contract.LABEL_VALUES].tolist() == list(bundle.labels.values)
    assert [n.decode() for n in table[contract.LABEL_NAMES]] == list(bundle.labels.names)
    assert table[contract.TOPOLOGY_CLASSES].tolist() == list(bundle.labels.topology_classes)
    assert table[contract.FLIP_CHANNELS].tolist() == list(bundle.labels.flip_channels)
    info = json.loads(table[contract.MODEL_INFO].item())
    assert info["contract"] == contract.VERSION
    assert (info["name"], info["version"], info["licence"]) == ("small", 1, "x")
    assert info["network"]["stem"] == 2


def test_graphs_refusal_reaches_the_caller(served: Calls) -> None:
    image = np.full((8, 8, 8), np.inf, np.float32)
    code, details = refused(lambda: served.predict("", (contract.LABELS,), image=image))
    assert code == "INVALID_ARGUMENT"
    assert "every voxel of image must be finite" in details


@pytest.fixture
def live(
    start: Callable[..., Running], save_synth: Callable[[Path, int], Path], tmp_path: Path
) -> tuple[Calls, Path]:
    folder = tmp_path / "live"
    folder.mkdir()
    save_synth(folder, 1)
    return start(ModelConfig(name="live", base_path=folder), **QUICK).calls, folder


def version_of(calls: Calls) -> int:
    answer = calls.prediction.Predict(calls.request("", image=ONES), timeout=TIMEOUT_S)
    return int(answer.model_spec.version.value)


def test_new_version_replaces_the_old_one_without_a_gap(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
) -> None:
    calls, folder = live
    save_synth(folder, 2)
    # Every request on the way is answered, by one or the other.
    assert eventually(lambda: version_of(calls) == 2)
    assert eventually(lambda: calls.status() == [(2, State.AVAILABLE), (1, State.END)])
    shutil.rmtree(folder / "2")
    assert eventually(lambda: calls.status() == [(2, State.END), (1, State.AVAILABLE)])
    assert version_of(calls) == 1


def test_broken_version_leaves_the_old_one_serving(
    live: tuple[Calls, Path], eventually: Callable[..., bool]
) -> None:
    calls, folder = live
    (folder / "3.tmp").mkdir()
    (folder / "3.tmp" / "saved_model.pb").write_bytes(b"no model")
    (folder / "3.tmp").rename(folder / "3")
    assert eventually(lambda: calls.status()[0] == (3, State.END))
    assert calls.status()[1] == (1, State.AVAILABLE)
    assert version_of(calls) == 1


def test_vanished_folder_stops_nothing_and_is_told_once(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    calls, folder = live
    away = folder.rename(folder.with_name("away"))
    assert eventually(lambda: f"{folder} cannot be read" in caplog.text)
    assert version_of(calls) == 1
    time.sleep(5 * QUICK["poll_s"])
    away.rename(folder)
    assert eventually(lambda: f"{folder} can be read again" in caplog.text)
    assert caplog.text.count(f"{folder} cannot be read") == 1
    save_synth(folder, 2)
    assert eventually(lambda: version_of(calls) == 2)


def test_folder_that_vanishes_while_it_is_listed_stops_nothing(
    tmp_path: Path, save_synth: Callable[[Path, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_synth(folder, 1)
    manager = ModelManager(threads=1)
    manager.apply([ModelConfig(name="synth", base_path=folder)])
    is_dir = Path.is_dir

    def too_late(path: Path) -> bool:
        if path.parent == folder and folder.exists():
            folder.rename(tmp_path / "away")
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", too_late)
    manager.poll()
    assert manager.available("synth") == [1]
    manager.close()


def test_version_that_is_copied_slowly_is_served_when_it_is_whole(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
    tmp_path: Path,
) -> None:
    calls, folder = live
    whole = save_synth(tmp_path, 2)
    (folder / "2").mkdir()
    assert eventually(lambda: calls.status()[0] == (2, State.END))
    shutil.copytree(whole, folder / "2", dirs_exist_ok=True)
    assert eventually(lambda: version_of(calls) == 2)


def test_folder_names_that_are_no_number_are_left_alone(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    eventually: Callable[..., bool],
    tmp_path: Path,
) -> None:
    calls, folder = live
    save_synth(tmp_path, 5).rename(folder / "5.tmp")
    save_synth(folder, 2)
    # Whoever saw 2 saw the other one too.
    assert eventually(lambda: calls.status() == [(2, State.AVAILABLE), (1, State.END)])


def test_reload_that_cannot_be_served_changes_nothing(
    live: tuple[Calls, Path], tmp_path: Path
) -> None:
    calls, folder = live
    (tmp_path / "empty").mkdir()
    good = {"name": "live", "base_path": str(folder), "model_platform": "tensorflow"}
    ghost = {**good, "name": "ghost"}
    missing = str(tmp_path / "missing")
    code, details = refused(lambda: calls.reload(good, {**ghost, "base_path": missing}))
    assert (code, missing in details) == ("NOT_FOUND", True)
    code, details = refused(
        lambda: calls.reload(good, {**ghost, "base_path": str(tmp_path / "empty")})
    )
    assert code == "NOT_FOUND"
    assert "holds no version" in details
    assert version_of(calls) == 1
    calls.reload(good)
    assert version_of(calls) == 1


def test_only_the_chosen_versions_are_served(
    start: Callable[..., Running], synth_dir: Path
) -> None:
    policy = VersionPolicy(specific=(1,))
    calls = start(ModelConfig(name="synth", base_path=synth_dir, policy=policy)).calls
    assert calls.status() == [(1, State.AVAILABLE)]


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


def test_status_and_label_table_answer_beside_a_long_request(
    start: Callable[..., Running],
    synth_config: Callable[..., ModelConfig],
    synth_dir: Path,
    begin_long_run: Callable[[Calls, Path], BegunRun],
) -> None:
    calls = start(synth_config(synth_dir), waiting=0, **QUICK).calls
    run, future = begin_long_run(calls, synth_dir)
    assert calls.status()[0] == (2, State.AVAILABLE)
    calls.metadata()
    assert not future.done()
    run.end()
    assert future.result().model_spec.version.value == 2


def test_request_keeps_the_version_it_started_with(
    live: tuple[Calls, Path],
    save_synth: Callable[[Path, int], Path],
    begin_long_run: Callable[[Calls, Path], BegunRun],
    eventually: Callable[..., bool],
) -> None:
    (calls, folder), (old, new) = live, (1, 2)
    run, future = begin_long_run(calls, folder)
    save_synth(folder, new)
    assert eventually(lambda: calls.status() == [(new, State.AVAILABLE), (old, State.UNLOADING)])
    assert not future.done()
    run.end()
    assert future.result().model_spec.version.value == old
    assert eventually(lambda: calls.status()[1] == (old, State.END))


def test_answer_that_no_message_holds_is_refused(
    start: Callable[..., Running], synth_config: Callable[..., ModelConfig], synth_dir: Path
) -> None:
    calls = start(synth_config(synth_dir), largest_answer_bytes=1000).calls
    image = np.ones((11, 10, 10), np.float32)
    code, details = refused(lambda: calls.predict("", image=image))
    assert code == "OUT_OF_RANGE"
    assert "the answer has 1104 bytes, a message holds 1000" in details
    assert calls.predict("", ("volumes",), image=image)["volumes"].tolist() == [1100]


def test_long_messages_are_cut(served: Calls) -> None:
    _, details = refused(lambda: served.predict("x" * 2000))
    assert details.endswith("...TRUNCATED")
    assert len(details) == 1024 + len("...TRUNCATED")


def test_answers_do_not_depend_on_the_encoding(
    start: Callable[..., Running], model_dir: Path, served: Calls
) -> None:
    typed = start(ModelConfig(name="synthseg", base_path=model_dir), packed=False).calls
    image = np.random.default_rng(0).uniform(size=(20, 20, 20)).astype(np.float32)
    least = np.full(3, 32, np.int32)
    one, other = (calls.predict(image=image, min_size=least) for calls in (served, typed))
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


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
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder, "ca")
    make_certificate(folder, "server", signed_by="ca")
    make_certificate(folder, "client", signed_by="ca")
    return folder


def make_certificate(folder: Path, name: str, signed_by: str | None = None) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    if signed_by:
        command += ["-CA", f"{signed_by}.pem", "-CAkey", f"{signed_by}.key"]
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


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
    with pytest.raises(StartError, match=r"no\.key cannot be read"):
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

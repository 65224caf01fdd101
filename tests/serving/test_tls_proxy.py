"""The proxy of `k8s/components/tls`, run as in its pod, in front of a running server."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import grpc
import numpy as np
import pytest
from certificates import MountedSecret, make_authority
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server_calls import OPTIONS, TIMEOUT_S, Running, refused
from sessions import IMPATIENT, PATIENT
from synthseg_client.calls.channel import ServerAddress, Tls
from synthseg_client.calls.session import Session
from synthseg_client.errors import AccessDeniedError, BadRequestError, ServerError
from synthseg_common import contract
from synthseg_serving.versions import ModelConfig

COMPONENT = Path(__file__).resolve().parents[2] / "k8s/components/tls"
TOKEN = "a-token-of-32-random-characters!"


class Secret(MountedSecret):
    """The same files under the names that Kubernetes gives them."""

    NAMES: ClassVar = {"ca.crt": "ca.pem", "tls.crt": "server.pem", "tls.key": "server.key"}


@dataclass(frozen=True)
class Proxy:
    """A running proxy: its address, the Secret it shows, and the authorities there are."""

    address: str
    secret: Secret
    old: Path
    new: Path

    def client(self, folder: Path, token: str | None = TOKEN) -> Session:
        """A client with the certificates of a folder."""
        tls = Tls(
            root=folder / "ca.pem", certificate=folder / "client.pem", key=folder / "client.key"
        )
        server = ServerAddress(target=self.address, tls=tls, token=token)
        return Session(server, retry=PATIENT)


@pytest.fixture(scope="module")
def proxy(
    start: Callable[..., Running],
    cube_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
    eventually: Callable[..., bool],
) -> Iterator[Proxy]:
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed")
    folder = tmp_path_factory.mktemp("proxy")
    old, new = make_authority(folder / "old"), make_authority(folder / "new")
    config = ModelConfig(name="synthseg", base_path=cube_dir)
    (behind,) = start(config, addresses=("localhost:0",)).server.addresses
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tokens = folder / "tokens.sha256"
    tokens.write_text(hashlib.sha256(f"Bearer {TOKEN}".encode()).hexdigest() + "\n")
    secret = Secret(folder / "secret", old)
    settings = {
        "LISTEN": f"127.0.0.1:{port}",
        "MODEL_SERVER": behind.replace("localhost", "127.0.0.1"),
        "TLS": str(secret.folder),
        "CLIENT_CERTIFICATES": "required",
        "TOKENS": str(tokens),
        "TOKEN_CHECK": "on",
        "LOOK_SECONDS": "0.2",
    }
    command = ["sh", str(COMPONENT / "serve.sh"), str(COMPONENT / "haproxy.cfg")]
    child = subprocess.Popen(command, env={**os.environ, **settings})

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        assert eventually(listens)
        yield Proxy(f"localhost:{port}", secret, old, new)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(TIMEOUT_S)


@pytest.mark.parametrize("token", [None, "another"])
def test_a_call_without_the_token_is_unauthenticated(proxy: Proxy, token: str | None) -> None:
    said = "refuses these credentials: the token is missing or not known here"
    with proxy.client(proxy.old, token) as client, pytest.raises(AccessDeniedError, match=said):
        client.status()
    channel = secure_channel(proxy)
    with channel:
        stub = health_pb2_grpc.HealthStub(channel)
        code, details = refused(
            lambda: stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        )
    assert (code, details) == ("UNAUTHENTICATED", "the token is missing or not known here")


def test_a_client_without_a_certificate_is_not_let_in(proxy: Proxy) -> None:
    tls = Tls(root=proxy.old / "ca.pem")
    stranger = ServerAddress(target=proxy.address, tls=tls, token=TOKEN)
    with Session(stranger, retry=IMPATIENT) as client, pytest.raises(ServerError):
        client.status()


def test_large_requests_and_answers_and_streams_pass(proxy: Proxy) -> None:
    image = np.random.default_rng(0).uniform(0, 200, (64, 64, 64)).astype(np.float32)
    with proxy.client(proxy.old) as client:
        answer, _ = client.segment(image, (64,) * 3, flip=False, outputs=contract.DENSE)
        assert answer[contract.POSTERIORS].nbytes > 4 * 2**20  # gRPC's usual limit
        large = np.ones((224, 224, 224), np.float32)
        with pytest.raises(BadRequestError, match="taken at most"):  # the server itself has read it
            client.segment(large, (32,) * 3, flip=False, outputs=(contract.LABELS,))
    with secure_channel(proxy) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(),
            timeout=TIMEOUT_S,
            metadata=(("authorization", f"Bearer {TOKEN}"),),
        )
        assert next(iter(watch)).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


def test_certificates_are_replaced_under_a_client_that_stays(
    proxy: Proxy, eventually: Callable[..., bool], tmp_path: Path
) -> None:
    image = np.ones((32, 32, 32), np.float32)
    at_client = MountedSecret(tmp_path / "client", proxy.old)
    with proxy.client(at_client.folder) as client:

        def segments() -> bool:
            answer, _ = client.segment(image, (32,) * 3, flip=False, outputs=(contract.LABELS,))
            return answer[contract.LABELS].shape == image.shape

        assert segments()
        proxy.secret.show(proxy.new)
        assert eventually(lambda: shows(proxy) == (proxy.new / "server.pem").read_text().strip())
        at_client.show(proxy.new)
        assert segments()
    with proxy.client(proxy.old) as late, pytest.raises(AccessDeniedError, match="encrypted"):
        late.status()


def shows(proxy: Proxy) -> str:
    """The certificate that a new connection is shown."""
    command = ["openssl", "s_client", "-connect", proxy.address, "-servername", "localhost"]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return begin + done.stdout.partition(begin)[2].partition(end)[0] + end


def secure_channel(proxy: Proxy) -> grpc.Channel:
    """A channel with the certificates of the old authority, and no token."""
    ca, key, own = ((proxy.old / n).read_bytes() for n in ("ca.pem", "client.key", "client.pem"))
    return grpc.secure_channel(proxy.address, grpc.ssl_channel_credentials(ca, key, own), OPTIONS)

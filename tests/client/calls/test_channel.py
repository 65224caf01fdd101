from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
from contract_server import ContractServer, serving
from sessions import send_scan
from synthseg_client.calls.channel import ServerAddress, Tls, normalise_target
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    AccessDeniedError,
    UsageError,
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that vouches for itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the keys")
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def _credentials(folder: Path, *, ask_client: bool = False) -> grpc.ServerCredentials:
    key, certificate = ((folder / name).read_bytes() for name in ("key.pem", "cert.pem"))
    return grpc.ssl_server_credentials([(key, certificate)], certificate, ask_client)


def test_an_encrypted_server_is_asked_with_a_token(certificates: Path) -> None:
    model = ContractServer()
    with serving(model, credentials=_credentials(certificates)) as target:
        tls = Tls(root=certificates / "cert.pem")
        with Session(ServerAddress(target=target, tls=tls, token="secret")) as session:
            assert session.describe().n_labels == 4


def test_a_server_may_ask_for_the_clients_certificate(certificates: Path) -> None:
    root, key = certificates / "cert.pem", certificates / "key.pem"
    with serving(
        ContractServer(), credentials=_credentials(certificates, ask_client=True)
    ) as target:
        known = ServerAddress(target=target, tls=Tls(root=root, certificate=root, key=key))
        with Session(known) as session:
            assert session.status() == {1: "AVAILABLE"}


def test_a_server_that_nobody_vouches_for_is_not_trusted(certificates: Path) -> None:
    with serving(ContractServer(), credentials=_credentials(certificates)) as target:
        stranger = ServerAddress(target=target, tls=Tls())
        with Session(stranger) as session, pytest.raises(AccessDeniedError, match="encrypted"):
            session.status()


def test_a_certificate_of_another_name_is_not_trusted(certificates: Path) -> None:
    with serving(ContractServer(), credentials=_credentials(certificates)) as target:
        tls = Tls(root=certificates / "cert.pem")
        address = target.replace("localhost", "127.0.0.1")
        stranger = ServerAddress(target=address, tls=tls)
        with Session(stranger) as session, pytest.raises(AccessDeniedError, match="Hostname"):
            session.status()


def test_a_plain_server_is_not_taken_for_an_encrypted_one(certificates: Path) -> None:
    with serving(ContractServer()) as target:
        stranger = ServerAddress(target=target, tls=Tls(root=certificates / "cert.pem"))
        with Session(stranger) as session, pytest.raises(AccessDeniedError, match="encrypted"):
            session.status()


def test_a_certificate_needs_its_key(certificates: Path) -> None:
    with pytest.raises(UsageError, match="both"):
        Tls(certificate=certificates / "cert.pem")


def test_a_missing_certificate_is_told(tmp_path: Path) -> None:
    missing = ServerAddress(target="localhost", tls=Tls(root=tmp_path / "no.pem"))
    with pytest.raises(UsageError, match=r"no\.pem"):
        Session(missing)


def test_metadata_and_token_go_with_every_call(address: str, model: ContractServer) -> None:
    told = ServerAddress(target=address, metadata={"Tenant": "a"}, token="secret")
    with Session(told) as session:
        send_scan(session, metadata={"request-id": "7"})
    sent = model.requests[0]["metadata"]
    assert sent["tenant"] == "a"
    assert sent["authorization"] == "Bearer secret"
    assert sent["request-id"] == "7"


def test_a_token_never_travels_readable() -> None:
    with pytest.raises(UsageError, match="TLS"):
        ServerAddress(target="example.org:8500", token="secret")
    assert "secret" not in repr(ServerAddress(target="localhost:8500", token="secret"))


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

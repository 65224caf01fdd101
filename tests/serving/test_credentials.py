"""Encryption in both directions, with certificates that are replaced while scans are under way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from certificates import MountedSecret, make_authority
from server_calls import Running
from sessions import IMPATIENT
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.channel import ServerAddress
from synthseg_client.calls.channel import Tls as ClientTls
from synthseg_client.calls.session import Session
from synthseg_client.errors import ServerError
from synthseg_client.options import Crop, Options
from synthseg_serving.credentials import Tls, server_credentials
from synthseg_serving.errors import StartError
from synthseg_serving.versions import ModelConfig


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    return make_authority(folder / "old"), make_authority(folder / "new")


def client_tls(folder: Path) -> ClientTls:
    return ClientTls(
        root=folder / "ca.pem", certificate=folder / "client.pem", key=folder / "client.key"
    )


def status_with(address: str, folder: Path) -> dict[int, str]:
    """What a client sees that starts now, with the certificates of a folder."""
    with Session(ServerAddress(target=address, tls=client_tls(folder)), retry=IMPATIENT) as session:
        return session.status()


def test_certificates_are_replaced_while_a_batch_runs(
    start: Callable[..., Running], model_dir: Path, authorities: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = authorities
    at_server = MountedSecret(tmp_path / "server", old)
    at_client = MountedSecret(tmp_path / "client", old)
    tls = Tls(
        key=at_server / "server.key",
        certificate=at_server / "server.pem",
        client_ca=at_server / "ca.pem",
    )
    config = ModelConfig(name="synthseg", base_path=model_dir)
    (address,) = start(config, addresses=("localhost:0",), tls=tls).server.addresses
    (tmp_path / "scans").mkdir()
    for number in range(3):
        image = np.random.default_rng(number).random((32, 32, 32), np.float32)
        nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / f"scans/{number}.nii.gz")
    plan = plan_batch([str(tmp_path / "scans")], tmp_path / "out")
    server = ServerAddress(target=address, tls=client_tls(at_client.folder))
    small = Options(crop=Crop.of_size([32]), fast=True)
    chosen = BatchSettings(options=small, jobs=1, requests=1)
    statuses = []
    with Session(server, retry=IMPATIENT) as session:
        for outcome in run_batch(session, plan, chosen):
            statuses.append(outcome.status)
            if len(statuses) == 1:
                at_server.show(new)
                at_client.show(new)
        assert session.status() == {1: "AVAILABLE"}
    assert statuses == ["done"] * 3
    assert status_with(address, new) == {1: "AVAILABLE"}
    with pytest.raises(ServerError):  # nobody trusts the old ones any more
        status_with(address, old)


def test_a_key_of_another_certificate_is_refused_at_the_start(
    authorities: tuple[Path, Path],
) -> None:
    old, new = authorities
    with pytest.raises(StartError, match=r"server\.pem with the key .* key values mismatch"):
        server_credentials(Tls(key=new / "server.key", certificate=old / "server.pem"))

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from certificates import MountedSecret, make_authority
from log_records import without_dask
from synthseg_common.certificates import CertificateError, PemFiles, WatchedPem


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    return make_authority(folder / "old"), make_authority(folder / "new")


def files_of(folder: Path) -> PemFiles:
    return PemFiles(
        authorities=folder / "ca.pem", certificate=folder / "server.pem", key=folder / "server.key"
    )


def test_files_are_read_whole(authorities: tuple[Path, Path]) -> None:
    pem = files_of(authorities[0]).read()
    assert pem.certificate == (authorities[0] / "server.pem").read_bytes()
    assert PemFiles().read().authorities is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("server.key", None, r"server\.key cannot be read as a PEM file: No such file"),
        ("ca.pem", b"no certificate", r"ca\.pem cannot be used"),
        ("server.pem", b"", r"server\.pem with the key .*server\.key cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    authorities: tuple[Path, Path], tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(authorities[0], folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(CertificateError, match=said) as error:
        files_of(folder).read()
    assert "\n" not in str(error.value)


def test_a_key_of_another_certificate_is_refused(authorities: tuple[Path, Path]) -> None:
    old, new = authorities
    mixed = PemFiles(certificate=old / "server.pem", key=new / "server.key")
    with pytest.raises(CertificateError, match="key values mismatch"):
        mixed.read()


def test_a_replaced_secret_is_told_once(authorities: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = authorities
    secret = MountedSecret(tmp_path / "secret", old)
    watched = WatchedPem(files_of(secret.folder))
    assert watched.newer() is None
    secret.show(new)
    assert watched.newer() == files_of(new).read()
    assert watched.newer() is None


def test_half_a_replacement_changes_nothing_until_it_is_whole(
    authorities: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(authorities[0], folder)
    watched = WatchedPem(files_of(folder))
    shutil.copy(authorities[1] / "server.pem", folder)
    with caplog.at_level(logging.WARNING):
        assert [watched.newer(), watched.newer()] == [None, None]
    assert len(without_dask(caplog)) == 1
    shutil.copy(authorities[1] / "server.key", folder)
    pem = watched.newer()
    assert pem is not None
    assert pem.key == (authorities[1] / "server.key").read_bytes()

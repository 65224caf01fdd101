"""Certificate authorities and what they sign, for localhost, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

import pytest


def make_authority(folder: Path, *names: str) -> Path:
    """A new authority `ca` in a folder, and certificates signed by it, with their keys."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder.mkdir(parents=True, exist_ok=True)
    _make(folder, "ca")
    for name in names or ("server", "client"):
        _make(folder, name, signed=True)
    return folder


def _make(folder: Path, name: str, *, signed: bool = False) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
    command += ["-subj", f"/CN={name} of {folder.name}", "-addext"]
    command += ["subjectAltName=DNS:localhost,IP:127.0.0.1"]
    if signed:
        command += ["-CA", "ca.pem", "-CAkey", "ca.key"]
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


class MountedSecret:
    """Files as Kubernetes mounts a Secret: behind a link that is exchanged in one step."""

    NAMES: ClassVar = {
        name: name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")
    }
    """Names of the files that are shown, and of those in the folder they come from."""

    def __init__(self, folder: Path, content: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._link = folder / "..data"
        self._shown = 0
        self.show(content)
        for name in self.NAMES:
            (folder / name).symlink_to(Path("..data") / name)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def show(self, content: Path) -> None:
        """Shows the files of another folder from now on."""
        self._shown += 1
        version = self.folder / f"..{self._shown}"
        version.mkdir()
        for name, other in self.NAMES.items():
            shutil.copy(content / other, version / name)
        fresh = self.folder / "..new"
        fresh.symlink_to(version)
        fresh.replace(self._link)


def make_signing_keys(folder: Path) -> tuple[Path, Path]:
    """A private key of Ed25519 and its public half."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make keys with")
    private, public = folder / "model.key", folder / "model.pub"
    for command in (
        ["genpkey", "-algorithm", "ed25519", "-out", str(private)],
        ["pkey", "-in", str(private), "-pubout", "-out", str(public)],
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return private, public

"""Certificates of encrypted connections: PEM files that are replaced while a program runs."""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from synthseg_common.errors import SynthSegError

_log = logging.getLogger(__name__)
_TRIES = 3

Stamp = tuple[tuple[str, int, int, int], ...]
"""What files look like from outside."""


class CertificateError(SynthSegError, ValueError):
    """A PEM file is missing or is none, or a key is not that of its certificate."""


@dataclass(frozen=True, kw_only=True)
class Pem:
    """The contents of PEM files that belong together.

    Attributes:
        authorities: Whom to trust.
        certificate: The own certificate, with its chain.
        key: The private key of `certificate`.
    """

    authorities: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class PemFiles:
    """Where they are; each may be `None`, a certificate comes with its key."""

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def read(self) -> Pem:
        """What the files hold, all of it of one moment.

        Raises:
            CertificateError: One cannot be read or used, or key and certificate do not belong
                together.
        """
        for _ in range(_TRIES):
            before = self.stamp()
            self._check()
            pem = Pem(
                authorities=_read(self.authorities),
                certificate=_read(self.certificate),
                key=_read(self.key),
            )
            if self.stamp() == before:
                return pem
        raise CertificateError(f"{self._first} is being replaced: try again.")

    def stamp(self) -> Stamp:
        """Changes when any of the files is replaced, also behind the links of a mounted Secret."""
        return tuple(_stamp(path) for path in self._paths)

    @property
    def _paths(self) -> list[Path]:
        return [path for path in (self.authorities, self.certificate, self.key) if path is not None]

    @property
    def _first(self) -> Path:
        return self._paths[0]

    def _check(self) -> None:
        """Refuses what OpenSSL would not take: gRPC itself says nothing until somebody connects."""
        for path in self._paths:
            _read(path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.authorities is not None:
            _use(self.authorities, lambda: context.load_verify_locations(self.authorities))
        certificate = self.certificate
        if certificate is not None:
            # A password would be asked for at the terminal.
            _use(
                certificate,
                lambda: context.load_cert_chain(certificate, self.key, lambda: ""),
                f" with the key {self.key}",
            )


class WatchedPem:
    """PEM files that are read again when they were replaced; safe to share between threads.

    Raises:
        CertificateError: They cannot be used at the start.
    """

    def __init__(self, files: PemFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamp = files.stamp()
        self.first = files.read()
        """What they held at the start."""
        self._seen = self.first
        self._unusable: Stamp = ()

    def newer(self) -> Pem | None:
        """What the files hold now, told once, if that is another than before.

        Files that cannot be used, as halfway through a replacement, leave things as they are, with
        a warning.
        """
        with self._lock:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return None
            try:
                pem = self._files.read()
            except CertificateError as error:
                if stamp != self._unusable:
                    self._unusable = stamp
                    _log.warning("%s Those read before stay in use.", error)
                return None
            self._stamp = stamp
            if pem == self._seen:
                return None
            self._seen = pem
            return pem


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(
            f"{os.fspath(path)} cannot be read as a PEM file: {error.strerror}."
        ) from error


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns


def _use(path: Path, load: Callable[[], None], beside: str = "") -> None:
    try:
        load()
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "no PEM"
        raise CertificateError(
            f"{path}{beside} cannot be used: {str(reason).lower().replace('_', ' ')}."
        ) from error
    except OSError as error:
        raise CertificateError(f"{path} cannot be read as a PEM file: {error.strerror}.") from error

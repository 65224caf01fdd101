"""Encryption of the server's addresses, with certificates that are replaced while it serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
from synthseg_common.certificates import CertificateError, Pem, PemFiles, WatchedPem

from synthseg_serving.errors import StartError


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files that make the TCP addresses encrypted; unix sockets stay as they are.

    Files that are replaced count from the next connection on; those that cannot be used are left
    alone, with a warning.

    Attributes:
        key: Private key, PEM.
        certificate: Certificate chain, PEM.
        client_ca: Certificates that clients must be signed by; `None` lets every client in.
    """

    key: Path
    certificate: Path
    client_ca: Path | None = None


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Credentials that follow their files.

    Raises:
        StartError: A file cannot be read or used, or the key is not that of the certificate.
    """
    files = PemFiles(authorities=tls.client_ca, certificate=tls.certificate, key=tls.key)
    try:
        watched = WatchedPem(files)
    except CertificateError as error:
        raise StartError(str(error)) from error

    current = _configuration(watched.first)

    def renewed() -> grpc.ServerCertificateConfiguration:
        """What is in force; gRPC asks at every connection."""
        nonlocal current
        newer = watched.newer()
        if newer is not None:
            current = _configuration(newer)
        return current

    return grpc.dynamic_ssl_server_credentials(
        current, renewed, require_client_authentication=bool(tls.client_ca)
    )


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    if pem.key is None or pem.certificate is None:
        raise StartError("TLS needs a key and a certificate.")
    return grpc.ssl_server_certificate_configuration(
        [(pem.key, pem.certificate)], root_certificates=pem.authorities
    )

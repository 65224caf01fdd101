"""Where a model server is and how to reach it: address, credentials, channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from synthseg_common.certificates import CertificateError, Pem, PemFiles

from synthseg_client.calls.credentials import TokenFile
from synthseg_client.errors import UsageError

DEFAULT_PORT = 8500
"""TensorFlow Serving's gRPC port."""

# Servers built on gRPC's defaults drop clients that ping more often than every five minutes.
_KEEPALIVE_MS = 330_000

_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.max_receive_message_length", -1),  # the default, 4 MB, is less than one label map
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A new channel tries at once, whatever pauses an older one has come to.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),  # the session retries, and counts
    # Where a name has several addresses, as that of a headless Service, gRPC would stay with one.
    ("grpc.lb_policy_name", "round_robin"),
]


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Certificates of an encrypted connection, as PEM files.

    Attributes:
        root: Authorities to trust; None trusts those of the system.
        certificate: The client's own certificate, if the server asks for one.
        key: The private key of `certificate`.
        server_name: Name to expect in the server's certificate when it differs from the address.
    """

    root: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UsageError(
                "a client certificate needs its key, and a key its certificate: give both."
            )

    @property
    def files(self) -> PemFiles:
        """The same, as files to read and to watch."""
        return PemFiles(authorities=self.root, certificate=self.certificate, key=self.key)


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """A model server and the credentials for it.

    Attributes:
        target: `host:port`, `host` (port 8500) or `unix:/path/to/socket`.
        tls: Encryption; None talks plainly.
        metadata: Pairs sent with every call, such as a tenant's name; names in lower case.
        token: Sent as `authorization: Bearer ...` with every call; needs TLS or a local address.
        token_file: Where the token is read anew for every call, if it may be replaced meanwhile.
        compress: Whether to compress messages: worth it on slow networks only.
    """

    target: str
    tls: Tls | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    token_file: TokenFile | None = None
    compress: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", normalise_target(self.target))
        secret = self.token or self.token_file
        if secret and not self.tls and not is_local(self.target):
            raise UsageError(f"a token for {self.target} would travel readable by others: add TLS.")

    def call_metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        pairs = tuple((name.lower(), value) for name, value in self.metadata.items())
        token = self.token_file.read() if self.token_file else self.token
        return (*pairs, ("authorization", f"Bearer {token}")) if token else pairs


def normalise_target(address: str) -> str:
    """The address as gRPC wants it.

    Raises:
        UsageError: It has a scheme that is not gRPC's, or no host.
    """
    address = address.strip()
    if address.startswith(("unix:", "dns:", "ipv4:", "ipv6:")):
        return address
    for scheme in ("grpc://", "grpcs://"):
        address = address.removeprefix(scheme)
    if "://" in address:
        raise UsageError(f"server address {address!r}: expected HOST:PORT, not a web address.")
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, str(DEFAULT_PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"server address {address!r}: expected HOST:PORT or unix:/path.")
    return f"{host}:{port}"


def is_local(target: str) -> bool:
    """Whether what is sent to `target` stays on this machine."""
    host = target.rpartition(":")[0]
    return target.startswith("unix:") or host in ("localhost", "127.0.0.1", "[::1]")


def open_channel(address: ServerAddress, pem: Pem | None = None) -> grpc.Channel:
    """A channel; it connects when first used.

    Args:
        address: The server.
        pem: What the files of its `tls` hold; they are read if it is not given.

    Raises:
        UsageError: A certificate or key cannot be read or used.
    """
    # A proxy from the environment would be asked to reach a local server.
    options = (
        [*_OPTIONS, ("grpc.enable_http_proxy", 0)] if is_local(address.target) else list(_OPTIONS)
    )
    compression = grpc.Compression.Gzip if address.compress else grpc.Compression.NoCompression
    if address.tls is None:
        return grpc.insecure_channel(address.target, options, compression)
    tls = address.tls
    try:
        pem = pem or tls.files.read()
    except CertificateError as error:
        raise UsageError(str(error)) from error
    credentials = grpc.ssl_channel_credentials(pem.authorities, pem.key, pem.certificate)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.secure_channel(address.target, credentials, options, compression)

"""What the commands are asked, as frozen objects; each command's help says what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_UNIX = "unix:"
FOUND = ""
"""In the place of a folder of official weights: wherever they are found."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What `export` is asked."""

    source: Path
    model_dir: Path
    version: int | None
    name: str
    max_voxels: int
    settings: Path | None


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What `serve` is asked."""

    model_dir: Path | None
    name: str
    model_config_file: Path | None
    official: str | None
    own_model: bool
    on_demand: bool
    addresses: tuple[str, ...]
    threads: int | None
    cpu: bool
    waiting: int
    poll_seconds: float
    typed_fields: bool
    labels_for_unavailable: bool
    tls_key: Path | None
    tls_cert: Path | None
    tls_client_ca: Path | None
    grace_seconds: float
    ready_file: Path | None
    idle_minutes: float | None
    parent_death: bool
    verbose: bool

    @property
    def sockets(self) -> list[Path]:
        """Files of the unix sockets among the addresses."""
        return [Path(a.removeprefix(_UNIX)) for a in self.addresses if a.startswith(_UNIX)]

    @property
    def tls_is_whole(self) -> bool:
        """Whether key and certificate are both there, or nothing of TLS at all."""
        if self.tls_key is None or self.tls_cert is None:
            return self.tls_key is self.tls_cert is self.tls_client_ca is None
        return True

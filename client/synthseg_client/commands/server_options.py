"""Options that say which server and model to ask, common to all commands; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from synthseg_common.option_groups import option

from synthseg_client.errors import UsageError

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Which server and model to ask, and how long."""

    server: str | None = option(
        "--server",
        envvar="SYNTHSEG_SERVER",
        help="Model server, HOST:PORT or unix:/path. [default: one is started here]",
    )
    model: str | None = option(
        "--model",
        help="Model to ask: NAME, NAME:VERSION or NAME@LABEL with --server, else a folder of "
        "versions.",
    )
    tls: bool = option("--tls", is_flag=True, help="Encrypt, trusting the system's authorities.")
    tls_ca: Path | None = option(
        "--tls-ca", type=_PATH, help="Encrypt, trusting the authorities in this PEM file."
    )
    tls_cert: Path | None = option("--tls-cert", type=_PATH, help="Client certificate, PEM.")
    tls_key: Path | None = option(
        "--tls-key", type=_PATH, help="Key of the client certificate, PEM."
    )
    token_file: Path | None = option(
        "--token-file",
        type=_PATH,
        help="File with a token to send with every call, read anew each time. "
        "[env: SYNTHSEG_TOKEN holds the token itself]",
    )
    timeout_s: float | None = option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds a segmentation may take. [default: grows with the scan]",
    )
    server_wait_s: float | None = option(
        "--server-wait",
        type=click.FloatRange(min=0),
        help="Seconds to wait in all for a server that does not answer. [default: 120; labels, "
        "status: 0]",
    )
    threads: int | None = option(
        "--threads",
        type=click.IntRange(min=1),
        help="CPU cores to use; for a server that is started here. [default: all]",
    )
    cpu: bool = option("--cpu", is_flag=True, help="Use no GPU; for a server that is started here.")

    def refuse_contradictions(self) -> None:
        """Refuses what is for a server that is named where none is, and the other way round.

        Raises:
            UsageError: The options contradict each other.
        """
        if self.server:
            if self.threads or self.cpu:
                raise UsageError(
                    "--threads and --cpu are for a server that is started here, not for --server."
                )
            return
        if self.model_dir is not None and not self.model_dir.is_dir():
            raise UsageError(
                f"--model {self.model_dir}: no such folder, expected a folder of versions "
                "(no --server)."
            )
        for flag, value in self._for_named_ones().items():
            if value:
                raise UsageError(f"{flag} is for a server that was named: add --server.")

    @property
    def model_dir(self) -> Path | None:
        """The folder that `--model` names where no server is named."""
        return Path(self.model) if self.model else None

    def _for_named_ones(self) -> dict[str, object]:
        return {
            "--server-wait": self.server_wait_s is not None,
            "--tls": self.tls,
            "--tls-ca": self.tls_ca,
            "--tls-cert": self.tls_cert,
            "--tls-key": self.tls_key,
            "--token-file": self.token_file,
        }

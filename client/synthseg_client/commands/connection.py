"""The session that the options of a command ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from synthseg_client.api import open_session
from synthseg_client.calls.channel import ServerAddress, Tls
from synthseg_client.calls.credentials import TokenFile, checked_token
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.commands.server_options import ServerOptions
from synthseg_client.embedded import LocalModels, LocalServer
from synthseg_client.errors import UsageError

AT_ONCE = RetryPolicy(server_wait_s=0)
"""For commands that ask how things are."""
_LARGEST_VERSION = 2**63 - 1


@contextmanager
def connect(
    options: ServerOptions,
    retry: RetryPolicy = AT_ONCE,
    tell: Callable[[str], None] | None = None,
    *,
    local: LocalModels | None = None,
    show_log: bool = False,
) -> Iterator[Session]:
    """The session that the options ask for.

    Args:
        options: Which server and model.
        retry: How patiently to ask, where the options do not say.
        tell: Takes lines for the user, such as what is waited for.
        local: What a server that is started here has to serve beside its own model.
        show_log: Whether the log of a server that is started here goes to standard error.

    Raises:
        UsageError: The options contradict each other.
        EmbeddedServerError: No server was named, and none can be started here.
    """
    options.refuse_contradictions()
    if options.server_wait_s is not None:
        retry = replace(retry, server_wait_s=options.server_wait_s)
    if options.server:
        server: ServerAddress | LocalServer = address_of(options, options.server)
        model = parse_model(options.model)
    else:
        server = LocalServer(
            model_dir=options.model_dir,
            models=local or LocalModels(),
            threads=options.threads,
            cpu=options.cpu,
            log=sys.stderr if show_log else None,
        )
        model = None
    with open_session(
        server, model=model, timeout_s=options.timeout_s, retry=retry, tell=tell
    ) as session:
        yield session


def parse_model(text: str | None) -> ModelChoice:
    """The model that `NAME`, `NAME:VERSION` or `NAME@LABEL` asks for.

    Raises:
        UsageError: It is none of these.
    """
    if not text:
        return ModelChoice()
    name, at, label = text.partition("@")
    version = ""
    if not at:
        name, colon, version = text.partition(":")
        if not colon:
            return ModelChoice(name=name)
    is_version = version.isdecimal() and int(version) <= _LARGEST_VERSION
    if not name or not (label or is_version):
        raise UsageError(f"--model {text}: expected NAME, NAME:VERSION or NAME@LABEL.")
    return (
        ModelChoice(name=name, label=label) if at else ModelChoice(name=name, version=int(version))
    )


def address_of(options: ServerOptions, server: str) -> ServerAddress:
    """The server and the credentials for it.

    Raises:
        UsageError: The address is none, the token cannot be read or must not travel.
    """
    encrypted = options.tls or options.tls_ca or options.tls_cert or server.startswith("grpcs://")
    tls = (
        Tls(root=options.tls_ca, certificate=options.tls_cert, key=options.tls_key)
        if encrypted
        else None
    )
    if options.token_file:
        return ServerAddress(target=server, tls=tls, token_file=TokenFile(options.token_file))
    token = os.environ.get("SYNTHSEG_TOKEN")
    if token:
        checked_token(token, "SYNTHSEG_TOKEN")
    return ServerAddress(target=server, tls=tls, token=token)

"""What the commands are asked, as objects."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from serve_options import NOTHING

KEY, CERTIFICATE, CA = Path("k"), Path("c"), Path("ca")


def test_sockets_are_the_addresses_that_are_files() -> None:
    options = dataclasses.replace(NOTHING, addresses=("localhost:1", "unix:/run/s", "unix:t"))
    assert options.sockets == [Path("/run/s"), Path("t")]
    assert NOTHING.sockets == []


@pytest.mark.parametrize(
    ("key", "certificate", "ca", "whole"),
    [
        (None, None, None, True),
        (KEY, CERTIFICATE, None, True),
        (KEY, CERTIFICATE, CA, True),
        (KEY, None, None, False),
        (None, CERTIFICATE, None, False),
        (None, None, CA, False),
    ],
)
def test_tls_needs_key_and_certificate(
    key: Path | None, certificate: Path | None, ca: Path | None, whole: bool
) -> None:
    options = dataclasses.replace(NOTHING, tls_key=key, tls_cert=certificate, tls_client_ca=ca)
    assert options.tls_is_whole is whole

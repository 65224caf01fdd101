"""What the commands are asked, as objects."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from synthseg_serving.options import ServeOptions

KEY, CERTIFICATE, CA = Path("k"), Path("c"), Path("ca")
NOTHING = ServeOptions(
    model_dir=None,
    name="synthseg",
    model_config_file=None,
    addresses=(),
    threads=None,
    cpu=False,
    waiting=8,
    poll_seconds=1.0,
    typed_fields=False,
    labels_for_unavailable=False,
    tls_key=None,
    tls_cert=None,
    tls_client_ca=None,
    grace_seconds=600.0,
    ready_file=None,
    parent_death=False,
    verbose=False,
)


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

from __future__ import annotations

from pathlib import Path

import pytest
from contract_server import ContractServer
from sessions import send_scan
from synthseg_client.calls.channel import ServerAddress
from synthseg_client.calls.credentials import TokenFile, checked_token
from synthseg_client.calls.session import Session
from synthseg_client.errors import UsageError


def test_a_token_that_is_replaced_goes_with_the_next_call(
    address: str, model: ContractServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    with Session(ServerAddress(target=address, token_file=TokenFile(file))) as session:
        send_scan(session)
        file.write_text("second\n")
        send_scan(session)
        file.unlink()
        send_scan(session)
    sent = [request["metadata"]["authorization"] for request in model.requests]
    assert sent == ["Bearer first", "Bearer second", "Bearer second"]


def test_a_token_file_never_travels_readable_and_never_shows(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    file = TokenFile(tmp_path / "token")
    assert "secret" not in repr(file)
    with pytest.raises(UsageError, match="TLS"):
        ServerAddress(target="example.org:8500", token_file=file)


def test_a_missing_or_empty_token_is_told_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no-token: cannot be read as a token: No such file"):
        TokenFile(tmp_path / "no-token")
    (tmp_path / "empty").touch()
    with pytest.raises(UsageError, match=r"empty: holds no token"):
        TokenFile(tmp_path / "empty")


def test_what_breaks_headers_is_no_token() -> None:
    assert checked_token("a-b.c", "here") == "a-b.c"
    with pytest.raises(UsageError, match=r"^here: holds no token"):
        checked_token("two\nlines", "here")

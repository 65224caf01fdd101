from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from synthseg_serving.errors import ModelError
from synthseg_serving.signatures import is_signed, sign_bytes


def test_openssl_and_we_read_each_other_s_signatures(
    keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    (tmp_path / "text").write_bytes(b"content")
    signed = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(private)]
    signed += ["-in", str(tmp_path / "text"), "-out", str(tmp_path / "sig")]
    subprocess.run(signed, check=True, capture_output=True)
    assert (tmp_path / "sig").read_bytes() == sign_bytes(b"content", private)
    assert is_signed(b"content", (tmp_path / "sig").read_bytes(), public)
    assert not is_signed(b"other", (tmp_path / "sig").read_bytes(), public)
    assert not is_signed(b"content", b"", public)


def test_a_key_of_another_kind_is_refused_by_name(keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = keys
    with pytest.raises(ModelError, match=r"model\.pub is no private key"):
        sign_bytes(b"", public)
    with pytest.raises(ModelError, match=r"model\.key is no public key"):
        is_signed(b"", b"", private)
    with pytest.raises(ModelError, match=r"no\.pub cannot be read"):
        is_signed(b"", b"", tmp_path / "no.pub")

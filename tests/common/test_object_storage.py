"""Objects in a real S3 server: whole or not at all, and every error a line that names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import S3Server, s3_server
from synthseg_common.errors import exit_code_of
from synthseg_common.object_storage import (
    StorageError,
    get,
    get_bytes,
    is_url,
    join,
    listing,
    put,
    put_bytes,
    remove,
    stat,
)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(scope="module")
def bucket(server: S3Server) -> str:
    return server.make_bucket("scans")


def test_files_go_there_and_come_back(bucket: str, tmp_path: Path) -> None:
    """Also in parts, as S3 takes what is larger than its client sends at once."""
    sent, received = tmp_path / "sent", tmp_path / "below" / "received"
    sent.write_bytes(bytes(range(256)) * (60 << 12))  # 60 MiB
    url = join(bucket, "a", "large")
    put(sent, url)
    get(url, received)
    assert received.read_bytes() == sent.read_bytes()
    stored = stat(url)
    assert stored is not None
    assert (stored.url, stored.size) == (url, sent.stat().st_size)


def test_a_listing_shows_what_is_there_now_and_only_below(bucket: str) -> None:
    place = join(bucket, "folder")
    put_bytes(b"1", join(place, "one"))
    put_bytes(b"beside", join(bucket, "folder-of-another"))
    before = listing(place)
    put_bytes(b"22", join(place, "deeper", "two"))
    put_bytes(b"other", join(place, "one"))
    after = {entry.url: entry for entry in listing(place)}
    assert list(after) == [join(place, "deeper", "two"), join(place, "one")]
    assert after[join(place, "one")].version != before[0].version
    remove([*after, join(place, "never there")])
    assert listing(place) == []


def test_what_is_not_there_is_none_or_an_error_that_names_it(bucket: str, tmp_path: Path) -> None:
    url = join(bucket, "lost")
    assert get_bytes(url) is None
    assert stat(url) is None
    with pytest.raises(StorageError, match=r"^s3://scans/lost cannot be read: there is no such"):
        get(url, tmp_path / "lost")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match=r"^s3://no-such-bucket/x cannot be written") as caught:
        put_bytes(b"", "s3://no-such-bucket/x")
    assert exit_code_of(caught.value) == 2


def test_a_scheme_that_nobody_knows_is_wrong_use() -> None:
    with pytest.raises(StorageError, match=r"^nowhere://x cannot be read: ") as caught:
        get_bytes("nowhere://x")
    assert exit_code_of(caught.value) == 2


def test_a_server_that_does_not_answer_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageError, match=r"^s3://scans/x cannot be read: ") as caught:
        get_bytes("s3://scans/x")
    assert exit_code_of(caught.value) == 1
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("place", ["s3://bucket/key", "gs://bucket", "memory://x"])
def test_urls_are_told_from_paths(place: str, tmp_path: Path) -> None:
    assert is_url(place)
    assert not is_url(tmp_path)
    assert not is_url(f"file://{tmp_path}")

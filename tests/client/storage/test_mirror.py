from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from synthseg_client.errors import ScanError, UsageError
from synthseg_client.storage.mirror import Mirror
from synthseg_common import object_storage as storage


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as opened:
        yield opened


def every(_: Path) -> bool:
    return True


def test_objects_are_shown_empty_and_have_content_while_they_are_worked_on(
    mirror: Mirror, bucket: str
) -> None:
    storage.put_bytes(b"content", f"{bucket}/in/deep/a.nii")
    storage.put_bytes(b"", f"{bucket}/in/")  # as consoles make folders
    storage.put_bytes(b"other", f"{bucket}/inside.nii")
    folder = mirror.show(f"{bucket}/in/", every)
    path = folder / "deep/a.nii"
    assert [p for p in folder.rglob("*") if p.is_file()] == [path]
    assert mirror.address_of(path) == f"{bucket}/in/deep/a.nii"
    assert path.read_bytes() == b""
    version = mirror.fetch(path)
    assert path.read_bytes() == b"content"
    assert version == mirror.version(path) == mirror.survey(bucket)[path]
    mirror.drop(path)
    assert path.read_bytes() == b""
    storage.put_bytes(b"changed", f"{bucket}/in/deep/a.nii")
    assert mirror.version(path) != version


def test_what_is_pushed_is_there_and_what_is_no_object_is_left_alone(
    mirror: Mirror, bucket: str, tmp_path: Path
) -> None:
    path = mirror.path_of(f"{bucket}/out/a.nii")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"labels")
    assert mirror.push(path) == mirror.version(path)
    assert mirror.pull(path) == storage.get_bytes(f"{bucket}/out/a.nii") == b"labels"
    here = tmp_path / "b.nii"
    here.write_bytes(b"here")
    assert (mirror.fetch(here), mirror.push(here), mirror.version(here)) == ("", "", "")
    mirror.drop(here)
    mirror.remove(here)
    assert mirror.pull(here) == b"here"
    assert mirror.pull(tmp_path / "none") is None


def test_lines_for_the_user_name_addresses(mirror: Mirror) -> None:
    path, listed = mirror.path_of("gs://b/x.nii"), mirror.add_list("mine.txt", ["a"])
    assert mirror.told(f"{path}: bad; {listed}: empty") == "gs://b/x.nii: bad; mine.txt: empty"
    error = mirror.with_told(UsageError(f"{path}: no"))
    assert str(error) == "gs://b/x.nii: no"


def test_what_is_not_there_or_no_file_here_is_told(mirror: Mirror, bucket: str) -> None:
    with pytest.raises(ScanError, match="no such object"):
        mirror.fetch(mirror.path_of(f"{bucket}/lost.nii"))
    storage.put_bytes(b"", f"{bucket}/x.nii")
    storage.put_bytes(b"", f"{bucket}/x.nii/y.nii")
    with pytest.raises(UsageError, match="rename the object"):
        mirror.show(bucket, every)
    mirror.probe(mirror.path_of(f"{bucket}/out"))
    with pytest.raises(storage.StorageError):
        mirror.probe(mirror.path_of("s3://nobodys/out"))


def test_nothing_stays_here() -> None:
    with Mirror() as mirror:
        path = mirror.path_of("s3://b/x.nii")
        mirror.touch(path)
        assert path.exists()
    assert not path.exists()
    assert mirror.address_of(path) is None

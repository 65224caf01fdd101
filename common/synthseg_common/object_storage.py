"""Objects in S3, Google Cloud Storage, Azure, or what else fsspec reaches: whole or not at all.

A location is a URL, `s3://bucket/key`; credentials and endpoints are those of the store's own tools
(`AWS_ENDPOINT_URL`, `AWS_PROFILE`, ...). Nothing is answered from a cache, since others write too.
fsspec is loaded by the first call.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthseg_common.errors import Outage, SynthSegError, one_line
from synthseg_common.files import replacing

EXTRA = "cloud"
"""Of the distribution, brings fsspec and what it needs for S3, Google Cloud Storage and Azure."""
_LOCAL_SCHEMES = ("file://", "local://")
# Names that the stores have for "this content": they change with it.
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "LastModified", "last_modified", "mtime")


class StorageError(SynthSegError):
    """An object is missing, or its location is wrong."""


class StorageOutageError(StorageError, Outage):
    """A store does not answer, or refuses; the same call may do at another time."""


@dataclass(frozen=True)
class StoredObject:
    """An object as the store lists it.

    Attributes:
        url: Where it is.
        size: Its length in bytes.
        version: What the store calls this content, its ETag for instance; another content has
            another.
    """

    url: str
    size: int
    version: str


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a location is a URL and no local path (`file://` names a local one)."""
    return "://" in str(place) and not str(place).startswith(_LOCAL_SCHEMES)


def join(url: str, *names: str) -> str:
    """The URL of what is called so below another."""
    return "/".join([url.rstrip("/"), *names])


def put(local: Path, url: str) -> None:
    """Uploads a file; the object is there whole, or what was there before stays.

    Raises:
        StorageError: It cannot be written; a `StorageOutageError` where another try may help.
    """
    with _told(url, "written") as (files, path):
        files.put_file(str(local), path)


def put_bytes(data: bytes, url: str) -> None:
    """Writes an object, as `put` does."""
    with _told(url, "written") as (files, path):
        files.pipe_file(path, data)


def get(url: str, local: Path) -> None:
    """Downloads an object; the file is there whole or not at all.

    Raises:
        StorageError: There is no such object, or it cannot be read.
        OutputError: The file cannot be written.
    """
    with replacing(local) as temporary:
        with _told(url, "read") as (files, path):
            size = int(files.info(path)["size"])
            files.get_file(path, str(temporary))
        if temporary.stat().st_size != size:
            raise StorageOutageError(
                f"{url} was read to {temporary.stat().st_size} of its {size} bytes only."
            )


def get_bytes(url: str) -> bytes | None:
    """What an object holds; `None` where there is none.

    Raises:
        StorageError: It cannot be read.
    """
    with _told(url, "read") as (files, path):
        try:
            return bytes(files.cat_file(path))
        except FileNotFoundError:
            return None


def stat(url: str) -> StoredObject | None:
    """An object as the store lists it; `None` where there is none.

    Raises:
        StorageError: The store cannot be asked.
    """
    with _told(url, "read") as (files, path):
        try:
            info = files.info(path)
        except FileNotFoundError:
            return None
        return _listed(url, info) if info["type"] == "file" else None


def listing(url: str) -> list[StoredObject]:
    """All objects below a URL, by name; none where there is nothing.

    Raises:
        StorageError: The store cannot be asked.
    """
    with _told(url, "listed") as (files, path):
        found = files.find(path.rstrip("/") + "/", detail=True)
        below = len(path.rstrip("/")) + 1
        return [_listed(join(url, name[below:]), info) for name, info in sorted(found.items())]


def remove(urls: Sequence[str]) -> None:
    """Removes objects; those that are gone already are passed over.

    Raises:
        StorageError: One cannot be removed.
    """
    for url in urls:
        with _told(url, "removed") as (files, path):
            try:
                files.rm_file(path)
            except FileNotFoundError:
                continue


def _listed(url: str, info: dict[str, Any]) -> StoredObject:
    version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
    return StoredObject(url, int(info["size"]), version.strip('"'))


@contextmanager
def _told(url: str, deed: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL and the path in it; its errors in a line that names the URL."""
    try:
        yield _file_system(url)
    except SynthSegError:
        raise
    except ImportError as error:
        raise StorageError(
            f"{url} needs packages that are not installed ({one_line(error)}): "
            f"pip install 'synthseg-serving[{EXTRA}]'."
        ) from error
    except FileNotFoundError as error:
        raise StorageError(f"{url} cannot be {deed}: there is no such object or bucket.") from error
    except (PermissionError, ValueError) as error:
        raise StorageError(f"{url} cannot be {deed}: {one_line(error)}.") from error
    except Exception as error:
        # Of a server that is busy or breaks off, an OSError; the stores' libraries have classes of
        # their own, for hosts and credentials that fail.
        raise StorageOutageError(f"{url} cannot be {deed}: {one_line(error)}.") from error


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    files, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return files, str(path)

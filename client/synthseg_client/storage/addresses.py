"""Addresses of objects: `s3://bucket/folder/scan.nii.gz`, in three kinds of storage."""

from __future__ import annotations

import re

from synthseg_client.errors import UsageError

SCHEMES = ("s3", "gs", "az")
"""Amazon S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage."""
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_NO_NAMES = {"", ".", ".."}


def is_address(text: str) -> bool:
    """Whether a value of an option is an address and no path."""
    return _ADDRESS.match(text) is not None


def parts_of_address(text: str) -> tuple[str, ...]:
    """Scheme, bucket and the parts of the key; a slash at the end is dropped.

    Raises:
        UsageError: It is of another scheme, names no bucket, or is no path within one.
    """
    found = _ADDRESS.match(text)
    scheme = found["scheme"] if found else ""
    if found is None or scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise UsageError(f"{text}: is an address of another kind, expected {known} or a path.")
    bucket, *names = found["rest"].removesuffix("/").split("/")
    if not bucket or not _NO_NAMES.isdisjoint(names):
        raise UsageError(f"{text}: expected {scheme}://BUCKET/FOLDER/NAME, each part with a name.")
    return (scheme, bucket, *names)


def is_plain_key(names: list[str]) -> bool:
    """Whether the parts of a key can be names of folders and a file."""
    return _NO_NAMES.isdisjoint(names)

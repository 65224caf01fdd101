"""Errors of the file systems behind URLs, whose libraries have classes of their own for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from synthseg_common.errors import Outage

from synthseg_generator.errors import GeneratorError

# What Python and Zarr raise is told apart by those who call them.
_KNOWN = ("builtins", "zarr", "zarrs")


class RemoteError(OSError, Outage):
    """A server refused, or failed."""


@contextmanager
def translate_remote_errors() -> Iterator[None]:
    """Around what reads or writes with Zarr.

    Raises:
        RemoteError: For what the library of a remote file system raises, `aiohttp` or `botocore`
            for instance, that is no `OSError` yet.
    """
    try:
        yield
    except (GeneratorError, OSError):
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] in _KNOWN:
            raise
        raise RemoteError(str(error) or type(error).__name__) from error

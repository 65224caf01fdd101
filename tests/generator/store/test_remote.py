"""Errors of remote file systems."""

from __future__ import annotations

import aiohttp
import pytest
from synthseg_common.errors import is_outage
from synthseg_generator.errors import StoreError
from synthseg_generator.store.remote import RemoteError, translate_remote_errors


def test_what_a_library_of_a_file_system_raises_is_an_outage() -> None:
    with pytest.raises(RemoteError, match="429 Too Many") as caught, translate_remote_errors():
        raise aiohttp.ClientError("429 Too Many Requests")
    assert is_outage(caught.value)


def test_an_error_without_a_text_is_called_by_its_name() -> None:
    with pytest.raises(RemoteError, match=r"^ClientError$"), translate_remote_errors():
        raise aiohttp.ClientError


@pytest.mark.parametrize("error", [StoreError("ours"), FileNotFoundError("gone"), KeyError("name")])
def test_other_errors_come_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translate_remote_errors():
        raise error
    assert caught.value is error

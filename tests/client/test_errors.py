from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.errors import (
    ClientError,
    ScanError,
    ServerGoneError,
    UnexpectedError,
    UnknownModelError,
    UsageError,
    error_of,
)

SCAN = Path("s.nii")


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = ScanError("s.nii: is empty.")
    assert error_of(SCAN, error) is error


def test_a_defect_becomes_one_line_that_names_the_scan_and_keeps_its_cause() -> None:
    cause = IndexError("list index out of range")
    error = error_of(SCAN, cause)
    assert isinstance(error, UnexpectedError)
    assert str(error) == "s.nii: unexpected error IndexError: list index out of range"
    assert error.__cause__ is cause


def test_too_little_memory_is_said_in_words() -> None:
    assert str(error_of(SCAN, MemoryError())) == "s.nii: not enough memory here for this scan."


def test_a_server_that_is_gone_keeps_its_first_cause() -> None:
    error = ServerGoneError("the connection broke.", "Waited 2 s for it.")
    assert (error.cause, error.since) == ("the connection broke.", "Waited 2 s for it.")
    assert str(error) == "the connection broke. Waited 2 s for it."


@pytest.mark.parametrize("kind", [ClientError, UsageError, LookupError])
def test_an_unknown_model_is_caught_where_one_would_look_for_it(kind: type[Exception]) -> None:
    assert issubclass(UnknownModelError, kind)

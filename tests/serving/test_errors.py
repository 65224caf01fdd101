"""What a caller may tell from an error."""

from __future__ import annotations

import pytest
from synthseg_common.errors import SynthSegError
from synthseg_serving import errors


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (errors.ExportError, ValueError),
        (errors.WeightsError, ValueError),
        (errors.ModelError, OSError),
        (errors.StartError, OSError),
    ],
)
def test_errors_are_the_part_s_and_what_python_would_raise(
    kind: type[Exception], also: type[Exception]
) -> None:
    assert issubclass(kind, (errors.ServingError, SynthSegError))
    assert issubclass(kind, also)


def test_a_refusal_carries_its_code_and_a_reason_for_programs() -> None:
    error = errors.CallError("NOT_FOUND", "no such model", "gone")
    assert (error.code, error.message, error.reason, str(error)) == (
        *("NOT_FOUND", "no such model", "gone"),
        "no such model",
    )


def test_out_of_time_is_said_as_grpc_says_it() -> None:
    assert (errors.out_of_time().code, errors.out_of_time().message) == (
        "DEADLINE_EXCEEDED",
        "Deadline Exceeded",
    )

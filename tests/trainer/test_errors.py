"""What a caller may tell from an error."""

import pytest
from synthseg_common.errors import TRY_AGAIN, WRONG_USE, SynthSegError, exit_code_of
from synthseg_trainer import errors


@pytest.mark.parametrize(
    ("kind", "also", "code"),
    [
        (errors.TrainerError, SynthSegError, WRONG_USE),
        (errors.ConfigError, ValueError, WRONG_USE),
        (errors.CheckpointError, OSError, WRONG_USE),
        (errors.OutageError, errors.TrainerError, TRY_AGAIN),
    ],
)
def test_an_error_is_the_part_s_and_tells_whether_to_try_again(
    kind: type[Exception], also: type[Exception], code: int
) -> None:
    error = kind("why")
    assert isinstance(error, (errors.TrainerError,))
    assert isinstance(error, also)
    assert exit_code_of(error) == code

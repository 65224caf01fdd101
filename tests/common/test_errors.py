import errno
import os

import pytest
from synthseg_common.errors import Outage, is_outage
from synthseg_generator.errors import LabelError, SchedulerError, StoreError


def chained(cause: Exception) -> Exception:
    """An error of ours for a reason that another had."""
    error = StoreError("the store cannot be read.")
    error.__cause__ = LabelError("the map cannot.")
    error.__cause__.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("number", "outage"),
    [
        (errno.ENOSPC, True),
        (errno.EIO, True),
        (errno.ESTALE, True),
        (errno.EROFS, True),
        (errno.EACCES, True),
        (errno.ECONNREFUSED, True),
        (errno.EHOSTUNREACH, True),
        (errno.ENOENT, False),
        (errno.EEXIST, False),
        (errno.ENOTDIR, False),
        (errno.EISDIR, False),
    ],
)
def test_failing_disks_and_hosts_are_outages_and_wrong_paths_are_not(
    number: int, outage: bool
) -> None:
    assert is_outage(chained(OSError(number, os.strerror(number)))) is outage


@pytest.mark.parametrize("cause", [None, ValueError("no JSON"), OSError("no file of this kind")])
def test_wrong_input_is_no_outage(cause: Exception) -> None:
    assert not is_outage(chained(cause))


def test_time_that_runs_out_is_an_outage() -> None:
    assert is_outage(chained(TimeoutError()))


def test_an_error_may_say_itself_that_it_is_an_outage() -> None:
    assert isinstance(SchedulerError("none answers."), Outage)
    assert is_outage(chained(SchedulerError("none answers.")))

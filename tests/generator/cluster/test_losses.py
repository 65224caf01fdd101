"""What ends work on a cluster other than the work itself."""

from __future__ import annotations

from concurrent.futures import CancelledError

import pytest
from distributed.comm.core import CommClosedError
from synthseg_common.errors import is_outage
from synthseg_generator.cluster.losses import name_losses
from synthseg_generator.errors import LabelError, SchedulerError


@pytest.mark.parametrize("lost", [CancelledError("gone"), CommClosedError("gone")])
def test_a_lost_scheduler_is_an_outage_with_its_reason(lost: Exception) -> None:
    with (
        pytest.raises(SchedulerError, match=r"scheduler was lost \(gone\)") as caught,
        name_losses(),
    ):
        raise lost
    assert is_outage(caught.value)
    assert caught.value.__cause__ is lost


def test_a_loss_without_a_word_has_one_of_ours() -> None:
    with pytest.raises(SchedulerError, match=r"\(the connection was closed\)"), name_losses():
        raise CancelledError


def test_what_a_job_raised_comes_as_it_is() -> None:
    error = LabelError("three is wrong.")
    with pytest.raises(LabelError) as caught, name_losses():
        raise error
    assert caught.value is error

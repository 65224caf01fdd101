"""Errors of the generator are found where a caller looks for them."""

from __future__ import annotations

import pickle

import pytest
from synthseg_common.errors import SynthSegError, is_outage
from synthseg_generator.errors import (
    ConfigError,
    GeneratorError,
    LabelError,
    SchedulerError,
    StoreError,
)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (ConfigError, ValueError),
        (LabelError, ValueError),
        (StoreError, OSError),
        (SchedulerError, OSError),
    ],
)
def test_every_error_is_one_of_ours_and_of_python(
    kind: type[GeneratorError], builtin: type[Exception]
) -> None:
    error = kind("it is wrong.")
    for family in (GeneratorError, SynthSegError, builtin):
        assert isinstance(error, family)
    assert str(pickle.loads(pickle.dumps(error))) == "it is wrong."


def test_a_scheduler_may_answer_another_time_and_a_store_that_is_none_will_not() -> None:
    assert is_outage(SchedulerError("no answer."))
    assert not is_outage(StoreError("no store."))

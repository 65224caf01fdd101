from __future__ import annotations

import os

import pytest
from synthseg_client import UnexpectedError
from synthseg_client.report.workers import Workers


def test_work_comes_back_in_order_from_other_processes() -> None:
    with Workers(2, 6) as workers:
        assert list(workers.map(abs, [-3, 1, -2, 5, 0, 7])) == [3, 1, 2, 5, 0, 7]


def test_little_work_is_done_here() -> None:
    with Workers(4, 2) as workers:
        assert list(workers.map(lambda n: n + os.getpid(), [0])) == [os.getpid()]


def test_a_process_that_was_ended_is_told_with_its_remedy() -> None:
    with Workers(2, 5) as workers, pytest.raises(UnexpectedError, match="--jobs 1"):
        list(workers.map(os._exit, [1] * 5))

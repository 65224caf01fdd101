"""Work in this process or in others."""

import os

import pytest
from synthseg_generator.cluster import run_all
from synthseg_generator.errors import LabelError


def fail_at_three(number):
    if number == 3:
        raise LabelError("three is wrong.")
    return number


def test_one_worker_starts_no_process():
    assert list(run_all(os.getpid, [()] * 3)) == [os.getpid()] * 3


def test_results_come_in_the_order_of_the_jobs_from_other_processes():
    assert list(run_all(divmod, [(i, 3) for i in range(20)], workers=2)) == [
        divmod(i, 3) for i in range(20)
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_keeps_its_type_and_text(workers):
    with pytest.raises(LabelError, match=r"three is wrong\."):
        list(run_all(_divide_by, [(1,), (0,)], workers=workers))


def _divide_by(number):
    if number == 0:
        raise LabelError("three is wrong.")
    return 1 / number

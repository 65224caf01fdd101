"""One request computes, a bounded number waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from synthseg_serving.admission import Admission
from synthseg_serving.errors import CallError


def always() -> bool:
    return True


def test_requests_take_turns_in_order(eventually: Callable[..., bool]) -> None:
    admission, order, inside = Admission(waiting=5), [], []

    def request(number: int) -> None:
        with admission.turn(None, always):
            inside.append(number)
            assert len(inside) == 1
            order.append(number)
            inside.remove(number)

    threads = [threading.Thread(target=request, args=(n,)) for n in range(5)]
    with admission.turn(None, always):
        for count, thread in enumerate(threads, start=2):
            thread.start()
            assert eventually(lambda c=count: len(admission._queue) == c)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_one_too_many_is_refused() -> None:
    admission = Admission(waiting=0)
    with (
        admission.turn(None, always),
        pytest.raises(CallError, match="busy") as error,
        admission.turn(None, always),
    ):
        pass
    assert error.value.code == "RESOURCE_EXHAUSTED"
    with admission.turn(None, always):
        pass


def test_waiting_ends_with_the_deadline() -> None:
    admission = Admission(waiting=1)
    with admission.turn(None, always):
        deadline = time.monotonic() + 0.1
        with pytest.raises(CallError) as error, admission.turn(deadline, always):
            pass
    assert error.value.code == "DEADLINE_EXCEEDED"


def test_caller_who_left_gives_up_his_place() -> None:
    admission = Admission(waiting=1)
    with (
        admission.turn(None, always),
        pytest.raises(CallError) as error,
        admission.turn(None, lambda: False),
    ):
        pass
    assert error.value.code == "CANCELLED"
    assert not admission._queue


def test_error_inside_frees_the_place() -> None:
    admission = Admission(waiting=0)
    with pytest.raises(KeyError), admission.turn(None, always):
        raise KeyError
    with admission.turn(None, always):
        pass

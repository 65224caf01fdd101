"""As many requests compute as memory holds, a bounded number waits, nobody is overtaken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from synthseg_common.contract import MEMORY_FULL, QUEUE_FULL
from synthseg_serving.admission import Admission, Need, Visit
from synthseg_serving.errors import CallError

MESSAGE, RUN = 10, 100


def always() -> bool:
    return True


@contextmanager
def turn(
    admission: Admission,
    need: Need | None = None,
    deadline: float | None = None,
    wanted: Callable[[], bool] = always,
) -> Iterator[Visit]:
    """A whole visit: arrival, turn, answer sent."""
    visit = admission.arrive(need or Need())
    try:
        with admission.turn(visit, deadline, wanted):
            yield visit
    finally:
        admission.leave(visit)


class Crowd:
    """Requests in threads of their own, each computing until it is told to end."""

    def __init__(self, admission: Admission, eventually: Callable[..., bool]) -> None:
        self.admission, self.eventually = admission, eventually
        self.inside: list[int] = []
        self.ends: dict[int, threading.Event] = {}
        self.threads: list[threading.Thread] = []
        self.refused: dict[int, CallError] = {}

    def send(self, number: int, need: Need | None = None) -> None:
        """One more request, which has a place when this returns."""
        seen = self.admission.waiting + self.admission.computing
        self.ends[number] = threading.Event()

        def request() -> None:
            try:
                with turn(self.admission, need):
                    self.inside.append(number)
                    self.ends[number].wait(60)
                    self.inside.remove(number)
            except CallError as error:
                self.refused[number] = error

        self.threads.append(threading.Thread(target=request))
        self.threads[-1].start()
        now = self.admission
        assert self.eventually(
            lambda: number in self.refused or now.waiting + now.computing == seen + 1
        )

    def computes(self, *numbers: int) -> bool:
        """Whether in the end exactly these do."""
        return self.eventually(lambda: sorted(self.inside) == sorted(numbers))

    def close(self) -> None:
        for end in self.ends.values():
            end.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def crowd(eventually: Callable[..., bool]) -> Iterator[Callable[[Admission], Crowd]]:
    crowds: list[Crowd] = []

    def make(admission: Admission) -> Crowd:
        crowds.append(Crowd(admission, eventually))
        return crowds[-1]

    yield make
    for each in crowds:
        each.close()


def test_requests_take_turns_in_order(crowd: Callable[[Admission], Crowd]) -> None:
    requests = crowd(Admission(waiting=5))
    for number in range(5):
        requests.send(number)
    for number in range(5):
        assert requests.computes(number)
        requests.ends[number].set()


def test_one_too_many_is_refused_and_told_when_to_come_back() -> None:
    admission = Admission(waiting=0)
    with turn(admission), pytest.raises(CallError, match="busy") as error, turn(admission):
        pass
    refusal = error.value
    assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", QUEUE_FULL)
    assert refusal.retry_after_s is not None
    assert 0 < refusal.retry_after_s <= 60
    with turn(admission):
        pass


def test_who_comes_back_later_is_told_so_by_slow_computations() -> None:
    slow, fast = Admission(waiting=0), Admission(waiting=0)
    slow._pace_s, fast._pace_s = 40.0, 0.01
    waits = []
    for admission in (slow, fast):
        with turn(admission), pytest.raises(CallError) as error, turn(admission):
            pass
        waits.append(error.value.retry_after_s)
    assert waits == [20.0, 0.5]


def test_as_many_compute_as_memory_holds(crowd: Callable[[Admission], Crowd]) -> None:
    requests = crowd(admission := Admission(waiting=5, at_once=3))
    for number in range(4):
        # Two that compute and two that wait take nine tenths of it.
        requests.send(number, Need(MESSAGE, RUN, room_bytes=(2 * RUN + 4 * MESSAGE) * 10 // 9 + 1))
    assert requests.computes(0, 1)
    assert (admission.computing, admission.waiting) == (2, 2)
    assert admission.held_bytes == 2 * RUN + 4 * MESSAGE
    requests.ends[1].set()
    assert requests.computes(0, 2)
    requests.close()
    assert admission.held_bytes == 0


def test_a_large_one_that_waits_for_memory_is_not_overtaken_by_small_ones(
    crowd: Callable[[Admission], Crowd],
) -> None:
    requests = crowd(Admission(waiting=5, at_once=3))
    room = 2 * RUN
    requests.send(0, Need(0, RUN // 2, room))
    requests.send(1, Need(0, 2 * RUN, room))
    requests.send(2, Need(0, 1, room))
    assert requests.computes(0)
    requests.ends[0].set()
    assert requests.computes(1)
    requests.ends[1].set()
    assert requests.computes(2)


def test_messages_never_fill_the_memory_that_the_first_waits_for(
    crowd: Callable[[Admission], Crowd],
) -> None:
    requests = crowd(Admission(waiting=50))
    for number in range(5):
        requests.send(number, Need(MESSAGE, RUN, room_bytes=RUN + 3 * MESSAGE))
    # One computes, and three wait: with the fourth, none of them would ever have its turn.
    assert list(requests.refused) == [4]
    assert requests.refused[4].reason == MEMORY_FULL
    assert requests.refused[4].code == "RESOURCE_EXHAUSTED"
    for number in range(4):
        assert requests.computes(number)
        requests.ends[number].set()


def test_an_answer_counts_until_it_has_been_sent(eventually: Callable[..., bool]) -> None:
    admission = Admission(waiting=1)
    need = Need(MESSAGE, RUN, room_bytes=RUN + 3 * MESSAGE)
    first = admission.arrive(need)
    with admission.turn(first, None, always):
        first.answer_bytes = RUN
    assert admission.held_bytes == MESSAGE + RUN
    second = admission.arrive(need)
    deadline = time.monotonic() + 0.1
    with pytest.raises(CallError), admission.turn(second, deadline, always):
        pass
    admission.leave(second)
    admission.leave(first)
    with turn(admission, need):
        assert admission.held_bytes == MESSAGE + RUN
    assert admission.held_bytes == 0


def test_what_a_caller_leaves_behind_counts_until_it_was_computed() -> None:
    admission = Admission(waiting=1)
    visit = admission.arrive(Need(MESSAGE, RUN))
    with admission.turn(visit, None, always):
        admission.leave(visit)
        assert admission.held_bytes == MESSAGE + RUN
    assert admission.held_bytes == 0


def test_waiting_ends_with_the_deadline() -> None:
    admission = Admission(waiting=1)
    with turn(admission):
        deadline = time.monotonic() + 0.1
        with pytest.raises(CallError) as error, turn(admission, deadline=deadline):
            pass
    assert error.value.code == "DEADLINE_EXCEEDED"


def test_caller_who_left_gives_up_his_place() -> None:
    admission = Admission(waiting=1)
    with (
        turn(admission),
        pytest.raises(CallError) as error,
        turn(admission, wanted=lambda: False),
    ):
        pass
    assert error.value.code == "CANCELLED"
    assert (admission.waiting, admission.held_bytes) == (0, 0)


def test_error_inside_frees_the_place() -> None:
    admission = Admission(waiting=0)
    with pytest.raises(KeyError), turn(admission):
        raise KeyError
    with turn(admission):
        pass

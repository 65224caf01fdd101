"""Looking for new versions at an interval, until the end."""

from __future__ import annotations

import threading
import time

import pytest
from synthseg_serving.manager import ModelManager
from synthseg_serving.poller import Poller


class Counting(ModelManager):
    """Counts the looks; the first one fails."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.looks = 0
        self.thrice = threading.Event()

    def poll(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise OSError("a disk that is away")
        if self.looks == 3:
            self.thrice.set()


def test_it_goes_on_after_a_look_that_failed_and_ends_with_its_block(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = Counting()
    with Poller(manager, 0.01):
        assert manager.thrice.wait(60)
    looks = manager.looks
    time.sleep(0.05)
    assert manager.looks == looks
    assert "looking for new versions failed" in caplog.text


def test_an_interval_of_0_never_looks() -> None:
    manager = Counting()
    with Poller(manager, 0):
        time.sleep(0.05)
    assert manager.looks == 0

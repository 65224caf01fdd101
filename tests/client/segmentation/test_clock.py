from __future__ import annotations

import time

import pytest
from synthseg_client.segmentation.clock import Clock


def test_times_add_up_by_step_also_where_a_step_fails() -> None:
    clock = Clock()
    for _ in range(2):
        with clock("server"):
            time.sleep(0.01)
    with pytest.raises(KeyError), clock("cleanup"):
        raise KeyError
    assert clock.seconds["server"] >= 0.02
    assert set(clock.seconds) == {"server", "cleanup"}

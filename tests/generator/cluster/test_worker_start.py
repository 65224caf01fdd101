"""What worker processes of our own do first."""

from __future__ import annotations

import signal

import pytest
from synthseg_generator.cluster.worker_start import dask_setup


def test_a_worker_is_deaf_to_ctrl_c() -> None:
    dask_setup(None)  # the handlers of the tests' own come back after each test
    signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_until_then_it_is_not() -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)

"""How it is said that something is waited for."""

from __future__ import annotations

import pytest
from synthseg_generator.cluster.waits import say_missing


def test_who_is_missing_and_how_long_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_missing("the Dask scheduler tcp://a:1 has no worker", 29.6)
    said = capsys.readouterr()
    assert said.err == "the Dask scheduler tcp://a:1 has no worker: waiting 30 s more.\n"
    assert said.out == ""

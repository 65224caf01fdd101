"""A loaded version: its runs and their deadlines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthseg_serving.errors import CallError
from synthseg_serving.servable import Servable


def test_a_run_out_of_time_says_what_the_caller_s_own_clock_says(synth_dir: Path) -> None:
    servable = Servable(synth_dir / "1", 1, threads=2)
    inputs = {"image": np.ones((2, 2, 2), np.float32)}
    with pytest.raises(CallError) as error:
        servable.run(servable.signatures["slow"], inputs, ["labels"], timeout_s=0.2)
    assert (error.value.code, error.value.message) == ("DEADLINE_EXCEEDED", "Deadline Exceeded")

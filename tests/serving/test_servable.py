"""A loaded version: its runs and their deadlines."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from process_memory import peak_growth
from synthseg_common import contract
from synthseg_serving.errors import CallError
from synthseg_serving.servable import Servable


def test_a_run_out_of_time_says_what_the_caller_s_own_clock_says(synth_dir: Path) -> None:
    servable = Servable(synth_dir / "1", 1, threads=2)
    inputs = {"image": np.ones((2, 2, 2), np.float32)}
    with pytest.raises(CallError) as error:
        servable.run(servable.signatures["slow"], inputs, ["labels"], timeout_s=0.2)
    assert (error.value.code, error.value.message) == ("DEADLINE_EXCEEDED", "Deadline Exceeded")


def test_asking_for_ever_other_outputs_takes_no_more_memory(model_dir: Path) -> None:
    servable = Servable(model_dir / "1", 1, threads=1)
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]
    inputs = {
        contract.IMAGE: np.random.default_rng(0).uniform(0, 1, (8, 8, 8)).astype(np.float32),
        contract.MIN_SIZE: np.full(3, 32, np.int32),
        contract.FLIP: np.array(False),
        contract.SMOOTH: np.array(True),
    }
    sets = [list(s) for n in (2, 3) for s in itertools.permutations(sorted(signature.outputs), n)]
    first, others = sets[:24], sets[36:90]  # of the first, more than a session keeps
    assert len({frozenset(s) for s in others}) > 30
    for outputs in first:
        servable.run(signature, inputs, outputs)
    with peak_growth() as growth:
        answers = [servable.run(signature, inputs, outputs) for outputs in others]
    assert [list(answer) for answer in answers] == others
    assert growth.mib < 60  # the answers themselves, about 15
    everything = servable.run(signature, inputs, list(signature.outputs))
    for answer in answers:
        for name, value in answer.items():
            np.testing.assert_array_equal(value, everything[name])

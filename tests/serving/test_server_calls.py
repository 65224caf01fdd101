"""What the tests wait for before they ask a server that is reloading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from server_calls import Running
from synthseg_serving.manager import State
from synthseg_serving.versions import ModelConfig, VersionPolicy

BOTH = {1: State.AVAILABLE, 2: State.AVAILABLE}


def test_one_version_that_is_available_is_not_both(
    start: Callable[..., Running], save_synth: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    save_synth(tmp_path, 1)
    everything = VersionPolicy(latest=0)
    calls = start(
        ModelConfig(name="synth", base_path=tmp_path, policy=everything), poll_s=0.1
    ).calls
    calls.await_states({1: State.AVAILABLE})
    with pytest.raises(AssertionError, match="synth came to"):
        calls.await_states(BOTH, timeout_s=0)
    save_synth(tmp_path, 2)
    calls.await_states(BOTH)
    request = calls.request("segment", image=np.ones((2, 2, 2), np.float32))
    for version in (1, 2):
        request.model_spec.version.value = version
        assert calls.prediction.Predict(request).model_spec.version.value == version

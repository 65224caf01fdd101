from __future__ import annotations

import os
import sys

import pytest
from synthseg_client.mri_synthseg.memory import peak_kb


@pytest.mark.skipif(sys.platform != "linux", reason="tells of /proc")
def test_peaks_of_processes_are_summed() -> None:
    own = peak_kb([os.getpid()])
    assert own is not None
    assert own > 1000
    both = peak_kb([os.getpid(), None, os.getppid()])
    assert both is not None
    assert both > own


def test_of_processes_that_are_gone_nothing_is_known() -> None:
    assert peak_kb([None, 2**30]) is None

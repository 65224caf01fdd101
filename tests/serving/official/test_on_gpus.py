"""What of the official networks a GPU can do, asked of TensorFlow's own register of kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpu_operations import misplaced
from synthseg_serving.gpu_kernels import built_with_cuda


@pytest.mark.skipif(not built_with_cuda(), reason="a TensorFlow without CUDA")
def test_a_gpu_does_all_of_the_official_networks(official_set: Path) -> None:
    """The robust chain, parcels and quality; the plain network is the last of the chain."""
    versions = sorted(path.parent for path in official_set.glob("*/*/saved_model.pb"))
    assert len(versions) == 3
    assert [misplaced(version) for version in versions] == [set()] * 3

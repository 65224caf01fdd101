"""Which released networks are bundles as any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from official_files import write_official
from synthseg_common.labels import SYNTHSEG_V2
from synthseg_serving.errors import WeightsError
from synthseg_serving.official.export import read_official
from synthseg_serving.official.networks import ROBUST, V2


def test_only_a_plain_segmenter_is_read_as_a_bundle(tmp_path: Path) -> None:
    bundle = read_official(write_official(tmp_path / "a.h5", V2))
    assert bundle.labels == SYNTHSEG_V2
    assert bundle.network.n_labels == len(SYNTHSEG_V2)
    with pytest.raises(WeightsError, match="which is no plain segmenter"):
        read_official(write_official(tmp_path / "b.h5", ROBUST))

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from contract_server import serving
from family import family
from synthseg_client.calls.session import Session
from synthseg_client.inputs.scans import read_scan
from synthseg_client.options import Options
from synthseg_client.segmentation.one_scan import segment_scan


def test_both_grids_come_of_one_answer_and_are_what_each_alone_would_be(
    tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    scan, model = read_scan(save_scan(tmp_path / "s.nii.gz")), family()
    with serving(model) as address, Session(address) as session:
        for options in (
            Options(),
            Options(parcels=True),
            Options(parcels=True, as_original=True),
        ):
            model.requests.clear()
            kept = segment_scan(scan, session, replace(options, keep_geometry=True))
            asked = len(model.requests)
            at_1_mm = kept.labels_at_1_mm()
            assert len(model.requests) == asked
            alone = segment_scan(scan, session, options)
            np.testing.assert_array_equal(at_1_mm, alone.labels)
            np.testing.assert_array_equal(alone.labels_at_1_mm(), alone.labels)
            assert kept.labels.shape == scan.image.shape != at_1_mm.shape

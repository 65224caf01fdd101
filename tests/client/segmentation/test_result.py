from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from synthseg_client import Options, segment
from synthseg_client.calls.session import Session


def test_posteriors_sum_to_one_and_agree_with_labels(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    result = segment(save_scan(tmp_path / "s.nii.gz"), session, posteriors=True)
    posteriors = result.posteriors()
    np.testing.assert_allclose(posteriors.sum(axis=-1), 1, atol=1e-3)
    best = result.model.label_values[posteriors.argmax(axis=-1)]
    np.testing.assert_array_equal(best, result.labels)


def test_posteriors_on_the_scans_own_grid_agree_with_its_labels(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    options = Options(keep_geometry=True)
    result = segment(save_scan(tmp_path / "s.nii.gz"), session, options, posteriors=True)
    assert result.labels.shape == (30, 32, 20)
    best = result.model.label_values[result.posteriors().argmax(axis=-1)]
    assert np.mean(best == result.labels) > 0.999

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthseg_client.errors import ResultError
from synthseg_client.results.written import check_written
from synthseg_common.images import Placement

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.float32), AFFINE), tmp_path / "w.nii")
    return tmp_path / "w.nii"


def test_what_was_promised_passes(written: Path) -> None:
    check_written(written, Path("l.nii"), (4, 5, 6), Placement.of(AFFINE))


@pytest.mark.parametrize(
    ("shape", "moved_mm"), [((4, 5, 7), 0.0), ((4, 5, 6), 0.01)], ids=["shape", "place"]
)
def test_another_grid_is_refused_by_the_name_that_it_would_get(
    written: Path, shape: tuple[int, ...], moved_mm: float
) -> None:
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += moved_mm
    with pytest.raises(ResultError, match=r"^l\.nii: was written with another grid"):
        check_written(written, Path("l.nii"), shape, Placement.of(elsewhere))

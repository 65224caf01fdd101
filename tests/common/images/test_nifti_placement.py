from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from raw_images import AFFINE, SHAPE
from synthseg_common.errors import ImageError
from synthseg_common.images import Placement
from synthseg_common.images.nifti_placement import placement_of


def _header() -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_sform(AFFINE, 1)
    header.set_qform(AFFINE, 2)
    return header


def _placed(header: nib.Nifti1Header) -> tuple[Placement, list[str]]:
    notes: list[str] = []
    return placement_of(Path("x.nii"), header, SHAPE, notes), notes


def test_forms_that_agree_are_told_without_a_word() -> None:
    placement, notes = _placed(_header())
    assert (placement.sform_code, placement.qform_code, notes) == (1, 2, [])
    np.testing.assert_allclose(placement.affine, AFFINE, atol=1e-5)


def test_where_forms_disagree_the_sform_counts_and_it_is_said() -> None:
    header = _header()
    moved = AFFINE.copy()
    moved[0, 3] += 10
    header.set_qform(moved, 1)
    placement, (note,) = _placed(header)
    np.testing.assert_allclose(placement.affine, AFFINE, atol=1e-5)
    assert "by up to 10.0 mm" in note


def test_metres_are_converted() -> None:
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_xyzt_units("meter")
    header.set_sform(np.diag([0.001, 0.001, 0.002, 1]), 1)
    placement, notes = _placed(header)
    np.testing.assert_allclose(np.diag(placement.affine), [1, 1, 2, 1], rtol=1e-6)
    assert any("counts in metres" in note for note in notes)


def test_a_header_that_says_no_place_in_any_way_is_refused() -> None:
    header = _header()
    header.set_sform(np.zeros((4, 4)), 1)
    header["pixdim"][1:4] = np.nan
    with pytest.raises(ImageError, match="voxel size nan, nan, nan mm is impossible"):
        _placed(header)

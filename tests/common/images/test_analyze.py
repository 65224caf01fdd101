"""Analyze pairs: what is told of them, and no more."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from raw_images import AFFINE, LABELS
from synthseg_common.errors import ImageError
from synthseg_common.images import read_header

VALUES = LABELS.astype(np.int16)


@pytest.mark.parametrize("named", ["scan.img", "scan.hdr"])
def test_of_a_sound_pair_only_the_sides_are_told(tmp_path: Path, named: str) -> None:
    nib.save(nib.AnalyzeImage(VALUES, np.diag([1, 1, 3, 1])), tmp_path / "scan.img")
    (note,) = read_header(tmp_path / named).notes
    assert "left and right may be swapped" in note


def test_a_matrix_beside_it_says_the_sides(tmp_path: Path) -> None:
    nib.save(nib.Spm99AnalyzeImage(VALUES, AFFINE), tmp_path / "scan.img")
    header = read_header(tmp_path / "scan.img")
    np.testing.assert_allclose(header.placement.affine, AFFINE, atol=1e-5)
    assert header.notes == ()


def test_a_broken_matrix_is_named(tmp_path: Path) -> None:
    nib.save(nib.Spm99AnalyzeImage(VALUES, AFFINE), tmp_path / "scan.img")
    (tmp_path / "scan.mat").write_bytes(b"no matrix" * 30)
    with pytest.raises(ImageError, match=r"scan\.img: .*scan\.mat"):
        read_header(tmp_path / "scan.img")

"""Images as tests read them, with the type that they have."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
from nibabel.spatialimages import SpatialImage


def load_image(path: str | Path) -> SpatialImage:
    """An image of any format with an affine, whose voxels are still on disk."""
    image = nib.load(path)
    assert isinstance(image, SpatialImage)
    return image


def load_nifti(path: str | Path) -> nib.Nifti1Image:
    """A NIfTI image, whose voxels are still on disk."""
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image

"""Images as tests read them, with the type that they have."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage
from synthseg_common.arrays import AnyArray


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


def voxels_of(path: Path) -> AnyArray:
    """All voxels of an image, in the type on disk; no file stays open."""
    if path.suffix != ".mgh":
        return np.asanyarray(load_image(path).dataobj)
    with path.open("rb") as stream:  # nibabel would leave it open
        image = nib.MGHImage.from_file_map({"image": nib.fileholders.FileHolder(fileobj=stream)})
        return np.array(np.asanyarray(image.dataobj))

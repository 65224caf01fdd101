"""What a test knows and a type checker does not: that something is there, that a file is NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import nibabel as nib

T = TypeVar("T")


def there(value: T | None) -> T:
    """The value, which must not be missing."""
    assert value is not None
    return value


def load_nifti(path: str | Path) -> nib.Nifti1Image:
    """A NIfTI image, whose voxels are still on disk."""
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image

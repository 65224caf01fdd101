"""Label maps and scans from files: read with clear errors, turned to RAS, found in folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from synthseg_generator.image_files import EXTENSIONS, UNREADABLE, opened

from synthseg_trainer.errors import TrainerError

LABELS_SUFFIX = "_synthseg"
"""What `synthseg-client segment` adds to the name of a scan."""
_LARGEST_LABEL = np.iinfo(np.int32).max
_LARGEST_FRACTION = 1e-3  # beyond this a value is no rounded label
_SMALLEST_MM3 = 1e-9
_LEFT_PARCELS, _RIGHT_PARCELS, _PARCELS_END = 1000, 2000, 3000
_LEFT_CORTEX, _RIGHT_CORTEX = 3, 42


class VolumeError(TrainerError, ValueError):
    """A file or a folder does not hold what it should."""


@dataclass(frozen=True)
class Volume:
    """A volume and where it lies.

    Attributes:
        values: `[x, y, z]`; axes run right, anterior, superior after `to_ras`.
        affine: float64 `[4, 4]`, voxel indices to mm in RAS.
    """

    values: np.ndarray
    affine: np.ndarray

    def to_ras(self) -> Volume:
        """The same volume with its axes along right, anterior, superior; a view."""
        axes = nib.orientations.io_orientation(self.affine)
        turned = nib.orientations.apply_orientation(self.values, axes)
        return Volume(turned, self.affine @ nib.orientations.inv_ornt_aff(axes, self.values.shape))


def read_labels(path: Path, *, merge_parcels: bool = False) -> Volume:
    """Reads a label map as int32, axes as in the file.

    Args:
        path: NIfTI or MGH file.
        merge_parcels: Read FreeSurfer's cortical parcels (1xxx, 2xxx) as cortex (3, 42).

    Raises:
        VolumeError: The file is missing or broken, is no single volume, or holds values that are no
            32-bit integers.
    """
    volume = _read(path, "label map")
    wrong = volume.values[~_are_labels(volume.values)]
    if wrong.size:
        raise VolumeError(
            f"{path} is no label map: it holds values that are no 32-bit integers, such as "
            f"{wrong[0]:g}."
        )
    labels = np.rint(volume.values).astype(np.int32)
    if merge_parcels:
        labels[(labels >= _LEFT_PARCELS) & (labels < _RIGHT_PARCELS)] = _LEFT_CORTEX
        labels[(labels >= _RIGHT_PARCELS) & (labels < _PARCELS_END)] = _RIGHT_CORTEX
    return Volume(labels, volume.affine)


def _are_labels(values: np.ndarray) -> np.ndarray:
    """Where values are whole numbers, but for rounding, that int32 holds: bool, same shape."""
    fit: np.ndarray = np.abs(values) <= _LARGEST_LABEL
    if not np.issubdtype(values.dtype, np.integer):
        with np.errstate(invalid="ignore"):  # infinities and NaN
            fit &= np.abs(values - np.rint(values)) < _LARGEST_FRACTION
    return fit


def read_image(path: Path) -> Volume:
    """Reads a scan as float32, axes as in the file; of several volumes the first.

    Values that are not finite become 0, as in the client.

    Raises:
        VolumeError: The file is missing or broken, or is no volume.
    """
    volume = _read(path, "scan", first_of_many=True)
    values = volume.values.astype(np.float32)
    return Volume(np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0), volume.affine)


def label_on_grid(labels: Volume, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """The label at each voxel of another grid, nearest neighbour; background outside.

    Returns:
        Integers of `shape`, of the type of the labels.
    """
    if labels.values.shape == shape and np.allclose(labels.affine, affine, atol=1e-4):
        return labels.values
    from scipy.ndimage import affine_transform

    mapping = np.linalg.inv(labels.affine) @ affine
    # Voxels reach half a voxel beyond their centres; SciPy's usual mode ends at the centres.
    on_grid: np.ndarray = affine_transform(
        labels.values,
        mapping[:3, :3],
        mapping[:3, 3],
        output_shape=shape,
        order=0,
        mode="grid-constant",
    )
    return on_grid


def volumes_of(folder: Path) -> dict[str, Path]:
    """Volumes of a folder by the name of the scan: no ending, no `_synthseg`; hidden files aside.

    Raises:
        VolumeError: The folder is missing, or two files have one name.
    """
    if not folder.is_dir():
        raise VolumeError(f"{folder}: no such folder.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.endswith(EXTENSIONS) or not path.is_file():
            continue
        name = scan_name(path)
        if name in found:
            raise VolumeError(
                f"{folder}: {found[name].name} and {path.name} both belong to {name}; keep one."
            )
        found[name] = path
    return found


def scan_name(path: Path) -> str:
    """Name of the scan that a file belongs to."""
    name = path.name
    for extension in EXTENSIONS:
        if name.endswith(extension):
            name = name.removesuffix(extension)
            break
    return name.removesuffix(LABELS_SUFFIX) or name


@contextmanager
def open_volume(path: Path, *, header_only: bool = False) -> Iterator[Any]:
    """An image whose values are still on disk, and are read to their end unless told otherwise.

    Raises:
        VolumeError: The file is missing or is none.
    """
    if not path.is_file():
        raise VolumeError(f"{path}: no such file.")
    try:
        with opened(path, header_only=header_only) as image:
            yield image
    except TrainerError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise VolumeError(f"{path} is no readable volume: {reason}") from error


def _read(path: Path, kind: str, *, first_of_many: bool = False) -> Volume:
    with open_volume(path) as image:
        shape = image.shape
        several = len(shape) > 3 and any(side != 1 for side in shape[3:])
        if len(shape) < 3 or (several and not first_of_many):
            raise VolumeError(f"{path} has shape {shape}, expected a {kind} of three dimensions.")
        values = np.asarray(image.dataobj[(..., *(0,) * (len(shape) - 3))])
        if values.dtype.kind not in "biuf":
            raise VolumeError(f"{path} holds {values.dtype} voxels, expected real numbers.")
        affine = np.asarray(image.affine, np.float64)
    singular = not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _SMALLEST_MM3
    if 0 in values.shape or singular:
        raise VolumeError(
            f"{path} has shape {values.shape} and affine {affine.tolist()}: expected voxels with a "
            "volume. Mend its header."
        )
    return Volume(values, affine)

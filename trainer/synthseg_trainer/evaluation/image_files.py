"""Label maps and scans from files: read with clear errors, turned to RAS, found in folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from synthseg_common.arrays import AnyArray, BoolArray, FloatArray
from synthseg_common.errors import ImageError
from synthseg_common.images import (
    ImageHeader,
    as_float32,
    read_header,
    read_values,
    read_volumes,
    tell_notes,
    to_ras,
    volume_files,
    without_ending,
)

from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.errors import TrainerError

LABELS_SUFFIX = "_synthseg"
"""What `synthseg-client segment` adds to the name of a scan."""
_LARGEST_LABEL = np.iinfo(np.int32).max
_LARGEST_FRACTION = 1e-3  # beyond this a value is no rounded label
_LEFT_PARCELS, _RIGHT_PARCELS, _PARCELS_END = 1000, 2000, 3000
_LEFT_CORTEX, _RIGHT_CORTEX = 3, 42


class ImageFileError(TrainerError, ValueError):
    """A file or a folder does not hold what it should."""


@dataclass(frozen=True)
class PlacedImage:
    """A volume and where it lies.

    Attributes:
        values: `[x, y, z]`; axes run right, anterior, superior after `to_ras`.
        affine: float64 `[4, 4]`, voxel indices to mm in RAS.
    """

    values: AnyArray
    affine: FloatArray

    def to_ras(self) -> PlacedImage:
        """The same volume with its axes along right, anterior, superior; a view."""
        return PlacedImage(*to_ras(self.values, self.affine))


def read_labels(path: Path, *, merge_parcels: bool = False) -> PlacedImage:
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
        raise ImageFileError(
            f"{path} is no label map: it holds values that are no 32-bit integers, such as "
            f"{wrong[0]:g}."
        )
    labels = np.rint(volume.values).astype(np.int32)
    if merge_parcels:
        labels[(labels >= _LEFT_PARCELS) & (labels < _RIGHT_PARCELS)] = _LEFT_CORTEX
        labels[(labels >= _RIGHT_PARCELS) & (labels < _PARCELS_END)] = _RIGHT_CORTEX
    return PlacedImage(labels, volume.affine)


def _are_labels(values: AnyArray) -> BoolArray:
    """Where values are whole numbers, but for rounding, that int32 holds: bool, same shape."""
    fit: BoolArray = np.abs(values) <= _LARGEST_LABEL
    if not np.issubdtype(values.dtype, np.integer):
        with np.errstate(invalid="ignore"):  # infinities and NaN
            fit &= np.abs(values - np.rint(values)) < _LARGEST_FRACTION
    return fit


def read_image(path: Path) -> PlacedImage:
    """Reads a scan as float32, axes as in the file; of several volumes the first.

    Values that are not finite become 0, as in the client.

    Raises:
        VolumeError: The file is missing or broken, or is no volume.
    """
    volume = _read(path, "scan", first_of_many=True)
    values, _ = as_float32(volume.values)
    return PlacedImage(
        np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0), volume.affine
    )


def label_on_grid(labels: PlacedImage, shape: tuple[int, ...], affine: FloatArray) -> LabelArray:
    """The label at each voxel of another grid, nearest neighbour; background outside.

    Returns:
        Integers of `shape`, of the type of the labels.
    """
    if labels.values.shape == shape and np.allclose(labels.affine, affine, atol=1e-4):
        return labels.values
    from scipy.ndimage import affine_transform

    mapping = np.linalg.inv(labels.affine) @ affine
    # Voxels reach half a voxel beyond their centres; SciPy's usual mode ends at the centres.
    on_grid: LabelArray = affine_transform(
        labels.values,
        mapping[:3, :3],
        mapping[:3, 3],
        output_shape=shape,
        order=0,
        mode="grid-constant",
    )
    return on_grid


def find_images(folder: Path) -> dict[str, Path]:
    """Volumes of a folder by the name of the scan: no ending, no `_synthseg`; hidden files aside.

    Raises:
        VolumeError: The folder is missing, or two files have one name.
    """
    if not folder.is_dir():
        raise ImageFileError(f"{folder}: no such folder.")
    found: dict[str, Path] = {}
    for path in volume_files(folder):
        name = name_scan(path)
        if name in found:
            raise ImageFileError(
                f"{folder}: {found[name].name} and {path.name} both belong to {name}; keep one."
            )
        found[name] = path
    return found


def name_scan(path: Path) -> str:
    """Name of the scan that a file belongs to."""
    name = without_ending(path.name)
    return name.removesuffix(LABELS_SUFFIX) or name


def read_image_header(path: Path) -> ImageHeader:
    """What a volume says about itself; its values are still on disk.

    Raises:
        VolumeError: The file is missing or is none.
    """
    try:
        return read_header(path)
    except ImageError as error:
        raise ImageFileError(str(error)) from error


def read_each_image(header: ImageHeader) -> Iterator[AnyArray]:
    """Reads the volumes of a file, one after the other, to its end.

    Raises:
        VolumeError: The file is broken, or not what was written.
    """
    try:
        yield from read_volumes(header)
    except ImageError as error:
        raise ImageFileError(str(error)) from error


def _read(path: Path, kind: str, *, first_of_many: bool = False) -> PlacedImage:
    header = read_image_header(path)
    if len(header.shape) < 3 or (header.n_volumes > 1 and not first_of_many):
        raise ImageFileError(
            f"{path} has shape {header.shape}, expected a {kind} of three dimensions."
        )
    tell_notes(header)
    if header.dtype.kind not in "biuf":
        raise ImageFileError(f"{path} holds {header.dtype} voxels, expected real numbers.")
    try:
        return PlacedImage(read_values(header, first_only=True), header.placement.affine)
    except ImageError as error:
        raise ImageFileError(str(error)) from error

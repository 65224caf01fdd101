"""NIfTI, MGH, NPZ and Analyze scans, read with clear errors."""

from __future__ import annotations

import math
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from synthseg_common.arrays import AnyArray, AnyDType, Float32Array, Float64Array
from synthseg_common.errors import ImageError, one_line
from synthseg_common.formats import format_of
from synthseg_common.images import (
    ImageHeader,
    Placement,
    as_float32,
    is_usable,
    read_header,
    read_values,
    read_volumes,
    refuse_unreadable,
    refuse_voxel_sizes,
)
from synthseg_common.images.content import FIRST_BYTES, explain
from synthseg_common.triples import Triple, triple

from synthseg_client.errors import ScanError

MIN_SLICES = 4
"""Fewest voxels per axis that can be segmented."""
NPZ_IMAGE = "vol_data"
"""Array of an NPZ scan."""
NPZ_AFFINE = "affine"
"""Its affine; without one, voxels are taken to be 1 mm in RAS order."""

# NumPy reads array headers with ast.literal_eval, which in Python 3.11 and 3.12 may fail with a
# SystemError in two threads at once (python/cpython#106905): of the whole process, so the lock is.
_NPZ_TURN = threading.Lock()
# NIfTI's codes of what numbers mean.
_LABEL_INTENTS = (1002, 1003)
_STATISTIC_INTENTS = range(2, 25)
_VECTOR_INTENTS = (*range(1004, 1011), 2003, 2004)


@dataclass(frozen=True, eq=False)
class Scan:
    """One volume as it was read.

    Attributes:
        path: Where from.
        image: float32 `[x, y, z]` along the file's own axes, every value finite.
        placement: Where it lies, in each way that its header says it.
        warnings: What was odd, and how it was dealt with.
    """

    path: Path
    image: Float32Array
    placement: Placement = field(default_factory=lambda: Placement.of(np.eye(4)))
    warnings: tuple[str, ...] = ()

    @property
    def affine(self) -> Float64Array:
        """float64 `[4, 4]`, voxel indices to mm in RAS."""
        return self.placement.affine


def read_scan(path: Path, *, average_volumes: int = 1) -> Scan:
    """Reads a scan.

    Args:
        path: The file.
        average_volumes: Of up to so many volumes the average is taken; of more, the first.

    Raises:
        ScanError: The file is missing, broken, of another kind, or holds nothing that can be
            segmented; the message names the file and what to do.
    """
    try:
        refuse_unreadable(path)
        kind = format_of(path)
        if kind is None:
            raise ScanError(
                f"{path}: not a scan by its name: expected .nii, .nii.gz, .mgz, .mgh, .npz, .img."
            )
        if kind.name == "npz":
            values, placement, notes = _read_npz(path)
        else:
            values, placement, notes = _read_image(path, average_volumes)
    except ImageError as error:
        raise ScanError(str(error)) from error
    except MemoryError as error:
        raise ScanError(f"{path}: there is not enough memory here to read it.") from error
    return _scan(path, values, placement, notes)


def check_scan(path: Path, image: AnyArray, affine: AnyArray) -> Scan:
    """A scan from an array in memory, checked like a file.

    Args:
        path: What to call it in messages.
        image: Numbers `[x, y, z]`.
        affine: `[4, 4]`, voxel indices to mm in RAS.

    Raises:
        ScanError: It is nothing that can be segmented.
    """
    _refuse_type(path, image.dtype)
    if image.ndim != 3:
        raise ScanError(f"{path}: has shape {image.shape}, expected three dimensions.")
    _refuse_shape(path, image.shape)
    try:
        placement = _placement(path, affine)
    except ImageError as error:
        raise ScanError(str(error)) from error
    return _scan(path, image, placement, ())


def _scan(path: Path, values: AnyArray, placement: Placement, notes: tuple[str, ...]) -> Scan:
    image, said = as_float32(values)
    image, mended = _repair_values(path, image)
    return Scan(path, image, placement, (*notes, *said, *mended))


def _read_image(path: Path, average_volumes: int) -> tuple[AnyArray, Placement, tuple[str, ...]]:
    """One volume, placement and notes of a NIfTI, MGH or Analyze file."""
    header = read_header(path)
    _refuse_type(path, header.dtype)
    _refuse_shape(path, header.shape)
    averaged = 1 < header.n_volumes <= average_volumes
    notes = (*header.notes, *_meaning(header, "their average" if averaged else "the first"))
    values = _average(header) if averaged else read_values(header, first_only=True)
    return values, header.placement, notes


def _average(header: ImageHeader) -> AnyArray:
    """float64: the mean of all volumes."""
    total = np.zeros(header.shape[:3])
    for volume in read_volumes(header):
        total += volume
    return total / header.n_volumes


def _meaning(header: ImageHeader, used: str) -> list[str]:
    """What to tell of a file that may be no scan by what its header says of its numbers.

    Args:
        header: Of the file.
        used: What is used of several volumes.
    """
    notes = []
    if header.n_volumes > 1:
        if header.intent in _VECTOR_INTENTS:
            raise ScanError(
                f"{header.path}: holds {header.n_volumes} numbers per voxel (a vector or matrix, "
                f"by its intent code {header.intent}), expected one intensity."
            )
        notes.append(f"holds {header.n_volumes} volumes: used {used}")
    if header.intent in _LABEL_INTENTS:
        notes.append("its header says that it is a label map, not a scan")
    elif header.intent in _STATISTIC_INTENTS:
        notes.append(
            f"its header says that it is a statistical map (intent code {header.intent}), "
            "not a scan"
        )
    return notes


def _read_npz(path: Path) -> tuple[AnyArray, Placement, tuple[str, ...]]:
    with _NPZ_TURN:
        try:
            image, affine = _npz_arrays(path)
        except (ScanError, MemoryError):
            raise
        except Exception as error:  # whatever decoders of broken bytes raise
            with path.open("rb") as stream:
                first = stream.read(FIRST_BYTES)
            if not zipfile.is_zipfile(path):
                raise explain(path, first, "a NumPy archive (.npz)") from error
            raise ScanError(
                f"{path}: broken or cut off: {one_line(error)}. Copy or download it again."
            ) from error
    _refuse_type(path, image.dtype)
    shape = _refuse_shape(path, image.shape)
    if math.prod(image.shape) != math.prod(shape):
        raise ScanError(
            f"{path}: holds several volumes {image.shape}, expected one: keep one and try again."
        )
    return image.reshape(shape), _placement(path, affine), ()


def _npz_arrays(path: Path) -> tuple[AnyArray, AnyArray]:
    # Opened here: NumPy leaves a broken archive open.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ScanError(f"{path}: is a single array, no archive: write it with numpy.savez.")
        if NPZ_IMAGE not in arrays:
            raise ScanError(f"{path}: holds {arrays.files}, expected an array {NPZ_IMAGE!r}.")
        _refuse_missing_values(path)
        affine = np.asarray(arrays[NPZ_AFFINE]) if NPZ_AFFINE in arrays else np.eye(4)
        return arrays[NPZ_IMAGE], affine


def _refuse_missing_values(path: Path) -> None:
    """Refuses an array that promises more than the archive holds, before memory is taken."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                    version, np.lib.format.read_array_header_2_0
                )
                shape, _order, dtype = read(stream)
            if math.prod(shape) * dtype.itemsize > member.file_size:
                raise ScanError(
                    f"{path}: {member.filename} promises {shape} values, more than it holds: "
                    "broken. Copy or download it again."
                )


@np.errstate(all="ignore")  # what overflows is told by its value
def _placement(path: Path, affine: AnyArray) -> Placement:
    """Where an array lies by its affine alone."""
    if affine.shape != (4, 4):
        raise ScanError(f"{path}: affine has shape {affine.shape}, expected (4, 4).")
    if affine.dtype.kind not in "biuf":
        raise ScanError(f"{path}: affine holds {affine.dtype}, expected numbers.")
    if not np.all(np.isfinite(affine)):
        raise ScanError(f"{path}: its affine holds numbers that are not finite: mend it.")
    matrix = affine.astype(np.float64)
    if not is_usable(matrix):
        raise ScanError(f"{path}: its affine is singular (voxels without a volume): mend it.")
    refuse_voxel_sizes(path, matrix)
    return Placement.of(matrix)


def _refuse_type(path: Path, dtype: AnyDType) -> None:
    if dtype.fields is not None:
        raise ScanError(f"{path}: is a colour (RGB) image, expected one intensity per voxel.")
    if dtype.kind == "c":
        raise ScanError(
            f"{path}: holds complex numbers, expected one intensity per voxel: take the magnitude."
        )
    if dtype.kind not in "biuf":
        raise ScanError(f"{path}: holds {dtype}, expected numbers.")


def _refuse_shape(path: Path, shape: tuple[int, ...]) -> Triple:
    """The first three axes, if they are a volume."""
    if len(shape) < 3 or 1 in shape[:3]:
        raise ScanError(
            f"{path}: is a {'x'.join(map(str, shape))} image, expected three dimensions."
        )
    if min(shape[:3]) < MIN_SLICES:
        raise ScanError(
            f"{path}: has only {min(shape[:3])} slices ({'x'.join(map(str, shape[:3]))} voxels), "
            f"expected at least {MIN_SLICES}."
        )
    return triple(shape[:3])


def _repair_values(path: Path, image: Float32Array) -> tuple[Float32Array, tuple[str, ...]]:
    """Replaces what is not finite by 0, and says so; refuses what has no contrast."""
    notes: tuple[str, ...] = ()
    low, high = image.min(), image.max()  # both are NaN where a single voxel is
    if not np.isfinite([low, high]).all():
        image, notes = _without_broken(path, image)
        low, high = image.min(), image.max()
    if low == high:
        raise ScanError(f"{path}: every voxel has the value {low:g}: nothing to segment.")
    return image, notes


def _without_broken(path: Path, image: Float32Array) -> tuple[Float32Array, tuple[str, ...]]:
    finite = np.isfinite(image)
    broken = image.size - int(np.count_nonzero(finite))
    if broken == image.size:
        raise ScanError(f"{path}: holds no finite value.")
    share = 100 * broken / image.size
    return np.where(finite, image, np.float32(0)), (
        f"{broken} voxels ({share:.2g} %) are NaN or infinite: set to 0",
    )

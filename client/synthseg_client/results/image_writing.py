"""Results as image files, written whole or not at all."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import nibabel as nib
import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.nifti1 import Nifti1Extension
from synthseg_common.arrays import AnyArray, AnyDType
from synthseg_common.files import FileGroup, replacing
from synthseg_common.formats import WRITABLE, format_of
from synthseg_common.images import Placement, voxel_sizes_mm
from synthseg_common.label_types import label_dtype

from synthseg_client import __version__
from synthseg_client.errors import OutputError
from synthseg_client.inputs.scans import NPZ_AFFINE, NPZ_IMAGE
from synthseg_client.model import LabelTable
from synthseg_client.results.embedded_colours import LabelFileForm
from synthseg_client.results.written import check_written

Header = nib.Nifti1Header | MGHHeader
_GZIP_LEVEL = 1  # labels shrink as well as with higher levels, in a fraction of the time
_DESCRIP_BYTES = 79
_UNIT_NAMES = {1e3: "meter", 1.0: "mm", 1e-3: "micron"}


class LabelMapMaking(NamedTuple):
    """How a label map came about.

    Attributes:
        title: Name and version of the model.
        table: Of its labels.
        form: How it is stored.
    """

    title: str
    table: LabelTable
    form: LabelFileForm = LabelFileForm()


def write_labels(
    path: Path,
    labels: AnyArray,
    placement: Placement,
    made: LabelMapMaking,
    group: FileGroup | None = None,
) -> None:
    """Writes a label map, by default in the smallest integer type that holds its table.

    Args:
        path: `.nii`, `.nii.gz`, `.mgz`, `.mgh` or `.npz`.
        labels: Integers `[x, y, z]`.
        placement: Where they lie; NIfTI files say it in each way that this does.
        made: Which model made it, the table of its labels, and how it is stored.
        group: Files that take their places together.

    Raises:
        OutputError: It cannot be written.
        ResultError: What was written is not what it should be; an earlier file stays.
    """
    small = labels.astype(made.form.dtype or label_dtype(made.table.values[-1]))
    description = f"SynthSeg {__version__} {made.title}"
    _write(path, small, placement, description, made, group)


def write_image(
    path: Path, image: AnyArray, placement: Placement, group: FileGroup | None = None
) -> None:
    """Writes an intensity image as float32.

    Raises:
        OutputError: It cannot be written.
        ResultError: What was written is not what it should be; an earlier file stays.
    """
    values = image.astype(np.float32, copy=False)
    _write(path, values, placement, "SynthSeg resampled", None, group)


def write_posteriors(
    path: Path,
    channel: Callable[[int], AnyArray],
    n_labels: int,
    placement: Placement,
    group: FileGroup | None = None,
) -> None:
    """Writes float32 `[x, y, z, label]`, one channel in memory at a time (except into NPZ).

    Args:
        path: As for `write_labels`.
        channel: Probability of a channel everywhere, float32 `[x, y, z]`.
        n_labels: Number of channels.
        placement: Where they lie.
        group: Files that take their places together.

    Raises:
        OutputError: It cannot be written.
        ResultError: What was written is not what it should be; an earlier file stays.
    """
    first = channel(0)
    if _kind(path) == "npz":
        stacked = np.stack([first, *(channel(c) for c in range(1, n_labels))], axis=-1)
        _write_npz(path, stacked, placement.affine, group)
        return
    shape = (*first.shape, n_labels)
    header = _header(path, shape, np.dtype(np.float32), placement, "SynthSeg posteriors")
    with _checked(path, shape, placement, group) as stream:
        _write_header(stream, header)
        for index in range(n_labels):
            volume = first if index == 0 else channel(index)
            _write_array(stream, volume, header)
        _write_footer(stream, header)


def _write(
    path: Path,
    array: AnyArray,
    placement: Placement,
    description: str,
    made: LabelMapMaking | None,
    group: FileGroup | None,
) -> None:
    if _kind(path) == "npz":
        _write_npz(path, array, placement.affine, group)
        return
    header = _header(path, array.shape, array.dtype, placement, description)
    if made is not None and not isinstance(header, MGHHeader):
        header.set_intent("label", name="synthseg")
        _extend(header, made.form.in_nifti(made.table))
    with _checked(path, array.shape, placement, group) as stream:
        _write_header(stream, header)
        _write_array(stream, array, header)
        _write_footer(stream, header)
        if made is not None and isinstance(header, MGHHeader):
            stream.write(made.form.in_mgh(made.table))


def _kind(path: Path) -> str:
    kind = format_of(path)
    if kind is None or kind.suffix not in WRITABLE:
        raise OutputError(
            f"{path}: cannot be written: expected a name that ends in {', '.join(WRITABLE)}."
        )
    return kind.name


def _write_npz(path: Path, array: AnyArray, affine: AnyArray, group: FileGroup | None) -> None:
    with replacing(path, group) as temporary, temporary.open("wb") as stream:
        arrays: dict[str, Any] = {NPZ_IMAGE: array, NPZ_AFFINE: affine}
        np.savez_compressed(stream, **arrays)  # to a name, NumPy may add an ending


@contextmanager
def _checked(
    path: Path, shape: tuple[int, ...], placement: Placement, group: FileGroup | None
) -> Iterator[BinaryIO]:
    """A stream into a file that is read again before it may replace what was there."""
    with replacing(path, group) as temporary:
        with _open(temporary) as stream:
            yield stream
        check_written(temporary, path, shape, placement)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    if path.suffix.lower() in (".gz", ".mgz"):
        # No file name and no time in the stream: equal results are equal files.
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as stream,
        ):
            yield cast(BinaryIO, stream)
    else:
        with path.open("wb") as plain:
            yield plain


def _header(
    path: Path, shape: tuple[int, ...], dtype: AnyDType, placement: Placement, description: str
) -> Header:
    """A fresh header: nothing of the scan's own is carried over, since it may name the patient."""
    if _kind(path) == "mgh":
        return nib.MGHImage(_Blank(shape, dtype), placement.affine).header
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    _place(header, placement)
    header["descrip"] = description.encode()[:_DESCRIP_BYTES]
    header.set_slope_inter(1, 0)
    header["magic"] = b"n+1"
    header["vox_offset"] = header.single_vox_offset
    return header


def _extend(header: nib.Nifti1Header, extensions: Iterable[Nifti1Extension]) -> None:
    """Adds extensions, before which the image lies no more."""
    header.extensions.extend(extensions)
    size = sum(extension.get_sizeondisk() for extension in header.extensions)
    header["vox_offset"] = header.single_vox_offset + size


def _place(header: nib.Nifti1Header, placement: Placement) -> None:
    """Says where the volume lies in each way that the placement does, in its unit."""
    header.set_xyzt_units(_UNIT_NAMES[placement.unit_mm], "sec")
    to_unit = np.diag([*[1 / placement.unit_mm] * 3, 1.0])
    used = to_unit @ placement.affine
    zooms = [*voxel_sizes_mm(used), *[1.0] * (header["dim"][0] - 3)]
    header.set_zooms(zooms)
    if placement.sform is not None:
        header.set_sform(to_unit @ placement.sform, placement.sform_code)
    if placement.qform is not None:
        # A quaternion holds no shear: of a sheared place it says the nearest without.
        header.set_qform(to_unit @ placement.qform, placement.qform_code)


class _Blank:
    """An array by its shape and type only: enough to make a header from."""

    def __init__(self, shape: tuple[int, ...], dtype: AnyDType) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)

    def __array__(self, dtype: Any = None, copy: Any = None) -> AnyArray:
        raise TypeError("has no values")


def _write_header(stream: BinaryIO, header: Header) -> None:
    if isinstance(header, MGHHeader):
        header.writehdr_to(stream)
        offset = int(header.get_data_offset())
    else:
        header.write_to(stream)
        offset = int(header["vox_offset"])
    stream.write(b"\0" * (offset - stream.tell()))


def _write_array(stream: BinaryIO, array: AnyArray, header: Header) -> None:
    values = array.astype(_stored_type(header), copy=False)
    for index in range(values.shape[-1]):  # slice by slice: no second copy of the volume
        stream.write(np.asfortranarray(values[..., index]).tobytes(order="F"))


def _stored_type(header: Header) -> AnyDType:
    """The type of voxels on disk, in the format's byte order."""
    if isinstance(header, MGHHeader):
        of_mgh: AnyDType = header.get_data_dtype()
        return of_mgh.newbyteorder(">")
    of_nifti: AnyDType = header.get_data_dtype()
    return of_nifti.newbyteorder("<")


def _write_footer(stream: BinaryIO, header: Header) -> None:
    if isinstance(header, MGHHeader):
        header.writeftr_to(stream)

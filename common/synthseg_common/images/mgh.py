"""MGH headers (FreeSurfer's .mgh and .mgz), read field by field."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthseg_common.arrays import AnyArray, Float64Array
from synthseg_common.errors import ImageError
from synthseg_common.images.header import ImageHeader
from synthseg_common.images.placement import SCANNER, Placement, is_usable

_OFFSET = 284
_VERSION = 1
_VERSION_BITS = 255  # above these, newer FreeSurfers keep what the numbers mean
_TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
_FIELDS = np.dtype(
    [
        ("version", ">i4"),
        ("dims", ">i4", (4,)),
        ("type", ">i4"),
        ("dof", ">i4"),
        ("good_ras", ">i2"),
        ("sizes", ">f4", (3,)),
        ("directions", ">f4", (3, 3)),
        ("centre", ">f4", (3,)),
    ]
)
_CORONAL = np.array([[-1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Columns are voxel axes: FreeSurfer's order where a file says none, right to left first."""
_NOT_SAID = (
    "does not say how the head lies (its RAS flag is 0): assumed FreeSurfer's usual order (coronal "
    "slices, 1 mm), so left and right may be swapped. `mri_convert --in_orientation` mends it"
)


def parse_mgh(path: Path, first: bytes) -> ImageHeader:
    """Reads a header.

    Args:
        path: The file.
        first: Its first bytes, unpacked.

    Raises:
        ImageError: It is none, or contradicts itself.
    """
    if len(first) < _OFFSET:
        raise ImageError(f"{path}: is cut off within its header.")
    fields = np.frombuffer(first[: _FIELDS.itemsize], _FIELDS)[0]
    if int(fields["version"]) & _VERSION_BITS != _VERSION:
        raise ImageError(
            f"{path}: is no MGH file, though its name says so (version {int(fields['version'])}, "
            "expected 1)."
        )
    dims = [int(n) for n in fields["dims"]]
    if min(dims) < 1:
        raise ImageError(
            f"{path}: its header says {'x'.join(map(str, dims))} voxels: it is broken."
        )
    code = int(fields["type"])
    if code not in _TYPES:
        raise ImageError(
            f"{path}: its voxel type (code {code}) is unknown: convert it with mri_convert."
        )
    notes: list[str] = []
    shape = tuple(dims[:3] if dims[3] == 1 else dims)
    placement = _placement(path, fields, dims[:3], notes)
    return ImageHeader(
        path,
        path,
        "mgh",
        shape,
        np.dtype(_TYPES[code]),
        _OFFSET,
        1.0,
        0.0,
        placement,
        0,
        tuple(notes),
    )


def _placement(path: Path, fields: AnyArray, shape: list[int], notes: list[str]) -> Placement:
    if not fields["good_ras"]:
        notes.append(_NOT_SAID)
        affine = _affine(_CORONAL, np.ones(3), np.zeros(3), shape)
        return Placement.of(affine, SCANNER)
    sizes = np.array(fields["sizes"], np.float64)
    if not np.all(np.isfinite(sizes) & (sizes > 0)):
        told = ", ".join(f"{v:g}" for v in sizes)
        raise ImageError(f"{path}: voxel size {told} mm is impossible: mend the header.")
    directions = np.array(fields["directions"], np.float64).T
    affine = _affine(directions, sizes, np.array(fields["centre"], np.float64), shape)
    if not is_usable(affine):
        raise ImageError(
            f"{path}: its affine is singular or not finite (voxels without a volume): mend the "
            "header."
        )
    return Placement.of(affine, SCANNER)


def _affine(
    directions: AnyArray, sizes: AnyArray, centre: AnyArray, shape: list[int]
) -> Float64Array:
    affine = np.eye(4)
    affine[:3, :3] = directions * sizes
    affine[:3, 3] = centre - affine[:3, :3] @ (np.array(shape) / 2)
    return affine

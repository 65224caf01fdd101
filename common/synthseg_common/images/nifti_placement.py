"""Where a NIfTI volume lies by its header: which form is used, and in what readers differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.quaternions import quat2mat

from synthseg_common.arrays import AnyArray, Float64Array
from synthseg_common.errors import ImageError
from synthseg_common.images.placement import (
    ALIGNED,
    Placement,
    differ_mm,
    is_sheared,
    is_usable,
    refuse_voxel_sizes,
    voxel_sizes_mm,
)

_UNIT_MM = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}
_UNIT_NAMES = {1: "metres", 3: "micrometres"}
_SPACE_BITS = 7
_KNOWN_CODES = range(6)
_SAME_PLACE_MM = 0.5
_SIZE_TOLERANCE = 0.01  # header and affine may differ by rounding
_QUATERNION_TOLERANCE = 1e-3

_NO_CODES = (
    "neither sform nor qform says how the head lies: assumed nibabel's usual order (left to the "
    "right). ITK, 3D Slicer and ANTs show such a scan elsewhere; labels written with --keepgeom "
    "lie over it in all of them. Convert the scan again, or set its sform"
)
_FORMS_DIFFER = (
    "sform and qform disagree about where the head lies (by up to {distance:.1f} mm): used the "
    "sform. ITK, 3D Slicer and ANTs may show scan and labels by the qform. If the sform is right, "
    "`fslorient -copysform2qform` mends the scan"
)
_IMPOSSIBLE_SIZE = (
    "voxel size {told} mm in the header is impossible: took it from the sform. ITK, 3D Slicer and "
    "ANTs may show scan and labels apart, or mirrored: convert the scan again"
)
_SHEARED = (
    "the sform is sheared: used it as it is. ITK, 3D Slicer and ANTs {do_else}. To have one place "
    "in all programs, resample the scan to a grid without shear"
)


def placement_of(
    path: Path, header: Nifti1Header, shape: tuple[int, ...], notes: list[str]
) -> Placement:
    """Reads units, voxel sizes, sform and qform of a header.

    Args:
        path: Named in errors.
        header: nibabel's NIfTI header, unchecked.
        shape: Voxels per axis.
        notes: Takes what was odd.

    Raises:
        ImageError: It does not say where the volume lies, or says it in an impossible way.
    """
    shape = (*shape, 1, 1)[:3]
    unit_mm, unit = _unit(header, notes)
    sizes = np.array(header["pixdim"][1:4], np.float64) * unit_mm
    sizes_fit = bool(np.all(np.isfinite(sizes) & (sizes > 0)))
    sform_code, qform_code = _codes(header, notes)
    sform = _in_mm(header.get_sform(), unit_mm) if sform_code else None
    qform = _in_mm(_qform(header, notes), unit_mm) if qform_code and sizes_fit else None
    if not sizes_fit:
        told = ", ".join(f"{v:g}" for v in sizes)
        if not is_usable(sform):
            raise ImageError(
                f"{path}: voxel size {told} mm is impossible, and no sform says better: mend it."
            )
        notes.append(_IMPOSSIBLE_SIZE.format(told=told))
    if not sform_code and not qform_code:
        notes.append(_NO_CODES)
        return Placement(_usual_affine(shape, sizes), unit_mm=unit_mm)
    if sform_code and not is_usable(sform):
        notes.append("the sform is no possible place (singular, or not finite): used the qform")
    if qform_code and sizes_fit and not is_usable(qform):
        notes.append("the qform is no possible place (its quaternion): used the sform")
    sform, sform_code = _kept(sform, sform_code)
    qform, qform_code = _kept(qform, qform_code)
    affine = sform if sform is not None else qform
    if affine is None:
        raise ImageError(
            f"{path}: its affine is singular or not finite (voxels without a volume): mend the "
            "header."
        )
    placement = Placement(affine, sform, sform_code, qform, qform_code, unit_mm)
    _refuse_sizes(path, placement, unit)
    _tell_differences(placement, shape, sizes, sizes_fit, notes)
    return placement


def _unit(header: Nifti1Header, notes: list[str]) -> tuple[float, str]:
    """Millimetres to the header's unit, and its name where that is another."""
    code = int(header["xyzt_units"]) & _SPACE_BITS
    if code not in _UNIT_MM:
        notes.append(f"its unit of length (code {code}) is unknown: took millimetres")
        return 1.0, ""
    if code in _UNIT_NAMES:
        notes.append(f"its header counts in {_UNIT_NAMES[code]}: converted to millimetres")
    return _UNIT_MM[code], _UNIT_NAMES.get(code, "")


def _codes(header: Nifti1Header, notes: list[str]) -> tuple[int, int]:
    """The codes of sform and qform; 0 for a form that counts as missing."""
    qform_code = _code(header, "qform", "took the qform as one of another space", notes)
    if qform_code:
        # What nibabel and ITK do alike.
        sform_code = _code(header, "sform", "used the qform", notes)
        is_known = int(header["sform_code"]) in _KNOWN_CODES
        return (sform_code if is_known else 0), qform_code
    words = "used the sform all the same, as ITK, 3D Slicer and ANTs do; nibabel does not"
    return _code(header, "sform", words, notes), 0


def _code(header: Nifti1Header, form: str, otherwise: str, notes: list[str]) -> int:
    """A code that is known, or what stands for it; `otherwise` tells of one that is not."""
    code = int(header[f"{form}_code"])
    if code in _KNOWN_CODES:
        return code
    words = otherwise if code > 0 else f"took the {form} as missing"
    notes.append(f"{form}_code {code} is unknown: {words}")
    return ALIGNED if code > 0 else 0


def _qform(header: Nifti1Header, notes: list[str]) -> Float64Array | None:
    """float64 `[4, 4]` in the header's unit; None where the quaternion is no rotation."""
    vector = np.array([header[f"quatern_{axis}"] for axis in "bcd"], np.float64)
    with np.errstate(all="ignore"):
        squared = float(vector @ vector)
    if not squared <= 1 + _QUATERNION_TOLERANCE:  # NaN too
        return None
    quaternion = np.array([np.sqrt(max(0.0, 1 - squared)), *vector])
    side = float(header["pixdim"][0])
    if side not in (-1, 0, 1):  # 0 stands for 1, by the standard
        others = " as nibabel does; ITK, 3D Slicer and ANTs show it mirrored" if side < 0 else ""
        notes.append(
            f"the side of the third axis (pixdim[0]) is {side:g}, expected 1 or -1: took 1{others}"
        )
    steps = np.array(header["pixdim"][1:4], np.float64) * [1, 1, -1 if side == -1 else 1]
    affine = np.eye(4)
    affine[:3, :3] = quat2mat(quaternion) * steps
    affine[:3, 3] = [header[f"qoffset_{axis}"] for axis in "xyz"]
    return affine


def _in_mm(affine: AnyArray | None, unit_mm: float) -> Float64Array | None:
    if affine is None:
        return None
    scaled = np.array(affine, np.float64)
    scaled[:3] *= unit_mm
    return scaled


def _kept(form: AnyArray | None, code: int) -> tuple[AnyArray | None, int]:
    return (form, code) if is_usable(form) else (None, 0)


def _usual_affine(shape: Sequence[int], sizes_mm: AnyArray) -> Float64Array:
    """What nibabel takes where nothing is stated: right to left, the middle at the origin."""
    affine = np.diag([*(sizes_mm * [-1, 1, 1]), 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2)
    return affine


def _refuse_sizes(path: Path, placement: Placement, unit: str) -> None:
    if unit:
        refuse_voxel_sizes(path, placement.affine, f" (its header counts in {unit})")


def _tell_differences(
    placement: Placement,
    shape: tuple[int, ...],
    sizes: AnyArray,
    sizes_fit: bool,
    notes: list[str],
) -> None:
    sform, qform = placement.sform, placement.qform
    if sform is None:
        return
    used = voxel_sizes_mm(sform)
    if sizes_fit and not np.allclose(sizes, used, rtol=_SIZE_TOLERANCE):
        a, b = (" x ".join(f"{v:.3g}" for v in told) for told in (sizes, used))
        notes.append(f"the header says {a} mm voxels, the affine {b} mm: used the affine")
    distance = 0.0 if qform is None else differ_mm(sform, qform, shape)
    if is_sheared(sform) and (qform is None or distance > _SAME_PLACE_MM):
        do_else = (
            "cannot open such a scan" if qform is None else "show scan and labels by the qform"
        )
        notes.append(_SHEARED.format(do_else=do_else))
    elif distance > _SAME_PLACE_MM:
        notes.append(_FORMS_DIFFER.format(distance=distance))

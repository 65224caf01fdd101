"""A label map lies over its scan in every program: nibabel's way of reading headers, and ITK's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from loading import load_nifti
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.calls.session import Session
from synthseg_client.options import Options
from two_readers import point_by_itk, spacing_by_itk

ANGLE = 0.3
TURN = np.array(
    [[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1.0]]
)
SHEAR = np.array([[1, 0.08, 0], [0, 1, -0.05], [0, 0, 1]])
# Bright structures sit off the middle, so that a flip would show.
CORE = (slice(8, 18), slice(10, 24), slice(4, 9))
SHAPE = (30, 32, 16)
Forms = tuple[tuple[np.ndarray, int] | None, tuple[np.ndarray, int] | None]


def placed(
    directions: np.ndarray, slice_mm: float, origin: Sequence[float] = (-70.0, -60, -50)
) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag([1.0, 1.0, slice_mm])
    affine[:3, 3] = origin
    return affine


def rounded(affine: np.ndarray) -> np.ndarray:
    noisy = affine.copy()
    noisy[:3, :3] += np.random.default_rng(0).normal(0, 4e-4, (3, 3))
    return noisy


# What a scan's header says: sform and qform, each with its code, from the slices' distance.
HEADERS: dict[str, Callable[[float], Forms]] = {
    "both alike": lambda mm: ((placed(TURN, mm), 1), (placed(TURN, mm), 1)),
    "sform alone": lambda mm: ((placed(TURN, mm), 4), None),
    "qform alone": lambda mm: (None, (placed(TURN, mm), 1)),
    "apart, ITK takes the sform": lambda mm: (
        (placed(TURN, mm), 1),
        (placed(np.eye(3), mm, (9, 8, 7)), 1),
    ),
    "apart, ITK takes the qform": lambda mm: (
        (placed(TURN, mm), 2),
        (placed(np.eye(3), mm, (9, 8, 7)), 1),
    ),
    "sheared sform": lambda mm: ((placed(SHEAR @ TURN, mm), 2), (placed(TURN, mm), 1)),
    "rounded sform": lambda mm: ((rounded(placed(TURN, mm)), 1), (placed(TURN, mm), 1)),
}


def write(path: Path, forms: Forms, unit: str = "mm") -> Path:
    """A dark box around a bright one in noise, under a header as told."""
    image = np.random.default_rng(1).random(SHAPE, np.float32)
    image[4:-3, 4:-3, 2:-2] += 60
    image[CORE] += 40
    header: Any = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(SHAPE)
    header.set_xyzt_units(unit)
    sform, qform = forms
    if sform:
        header.set_zooms(np.linalg.norm(sform[0][:3, :3], axis=0))
        header.set_sform(*sform)
    if qform:
        header.set_qform(*qform)
    header["magic"], header["vox_offset"] = b"n+1", 352
    path.write_bytes(header.binaryblock + b"\0" * 4 + image.tobytes(order="F"))
    return path


def segmented(session: Session, scan: Path, **options: Any) -> tuple[Path, tuple[str, ...]]:
    labels = scan.with_name("labels.nii.gz")
    plan = plan_batch([str(scan)], labels)
    (outcome,) = run_batch(session, plan, BatchSettings(options=Options(**options)))
    assert outcome.status == "done", outcome.error
    return labels, outcome.warnings


def centre_by_nibabel(path: Path, chosen: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    image = load_nifti(path)
    middle = np.argwhere(chosen(np.asanyarray(image.dataobj))).mean(axis=0)
    return np.asarray(nib.affines.apply_affine(image.affine, middle))


def centre_by_itk(path: Path, chosen: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    image = SimpleITK.ReadImage(path)
    middle = np.argwhere(chosen(SimpleITK.GetArrayFromImage(image))).mean(axis=0)[::-1]
    return point_by_itk(image, middle.tolist())


READERS = {"nibabel": centre_by_nibabel, "ITK": centre_by_itk}


def bright(values: np.ndarray) -> np.ndarray:
    return np.asarray(values > 90)


def core(values: np.ndarray) -> np.ndarray:
    return np.asarray(values == 41)


def check_overlay(scan: Path, labels: Path, readers: Sequence[str] = tuple(READERS)) -> None:
    for reader in readers:
        where = READERS[reader](scan, bright)
        np.testing.assert_allclose(READERS[reader](labels, core), where, atol=0.6, err_msg=reader)


@pytest.mark.parametrize("keep", [False, True], ids=["1 mm", "keepgeom"])
@pytest.mark.parametrize("slice_mm", [1.0, 2.5])
@pytest.mark.parametrize("header", HEADERS)
def test_labels_lie_over_the_scan(
    session: Session, tmp_path: Path, header: str, slice_mm: float, keep: bool
) -> None:
    scan = write(tmp_path / "scan.nii", HEADERS[header](slice_mm))
    labels, _ = segmented(session, scan, keep_geometry=keep)
    check_overlay(scan, labels)


@pytest.mark.parametrize("header", HEADERS)
def test_on_the_scans_grid_both_forms_and_codes_are_the_scans(
    session: Session, tmp_path: Path, header: str
) -> None:
    scan = write(tmp_path / "scan.nii", HEADERS[header](2.5))
    labels, _ = segmented(session, scan, keep_geometry=True)
    expected, found = load_nifti(scan).header, load_nifti(labels).header
    for form in ("sform", "qform"):
        theirs, their_code = getattr(expected, f"get_{form}")(coded=True)
        ours, our_code = getattr(found, f"get_{form}")(coded=True)
        assert our_code == their_code
        if their_code:
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
    ours, theirs = (SimpleITK.ReadImage(path) for path in (labels, scan))
    for what in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, what)(), getattr(theirs, what)(), atol=1e-4)


def write_without_place(path: Path, slice_mm: float) -> Path:
    write(path, (None, None))
    header, content = load_nifti(path).header, path.read_bytes()
    header["pixdim"][3], header["vox_offset"] = slice_mm, 352
    path.write_bytes(header.binaryblock + content[348:])
    return path


@pytest.mark.parametrize(("slice_mm", "keep"), [(1.0, True), (2.5, True), (1.0, False)])
def test_a_scan_that_says_no_place_gets_labels_without_one_on_its_grid(
    session: Session, tmp_path: Path, slice_mm: float, keep: bool
) -> None:
    scan = write_without_place(tmp_path / "scan.nii", slice_mm)
    labels, warnings = segmented(session, scan, keep_geometry=keep)
    check_overlay(scan, labels)
    header = load_nifti(labels).header
    assert (header["sform_code"], header["qform_code"]) == (0, 0)
    assert "--keepgeom" in " ".join(warnings)


def test_a_scan_that_says_no_place_has_1_mm_labels_where_nibabel_puts_it(
    session: Session, tmp_path: Path
) -> None:
    scan = write_without_place(tmp_path / "scan.nii", 2.5)
    labels, warnings = segmented(session, scan)
    check_overlay(scan, labels, readers=["nibabel"])
    np.testing.assert_allclose(spacing_by_itk(labels), 1)
    assert "ITK, 3D Slicer and ANTs show such a scan elsewhere" in " ".join(warnings)


def test_a_sheared_scan_that_itk_refuses_has_labels_that_it_opens(
    session: Session, tmp_path: Path
) -> None:
    scan = write(tmp_path / "scan.nii", ((placed(SHEAR @ TURN, 2.5), 1), None))
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(scan)
    labels, warnings = segmented(session, scan)
    check_overlay(scan, labels, readers=["nibabel"])
    found = centre_by_itk(labels, core)
    np.testing.assert_allclose(found, centre_by_nibabel(scan, bright), atol=4)  # but for the shear
    assert "cannot open such a scan" in " ".join(warnings)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3)])
@pytest.mark.parametrize("keep", [False, True], ids=["1 mm", "keepgeom"])
def test_other_units_than_millimetres_are_converted(
    session: Session, tmp_path: Path, unit: str, factor: float, keep: bool
) -> None:
    affine = placed(TURN, 2.5)
    affine[:3] *= factor
    scan = write(tmp_path / "scan.nii", ((affine, 1), (affine, 1)), unit)
    labels, warnings = segmented(session, scan, keep_geometry=keep)
    check_overlay(scan, labels, readers=["ITK"])
    if keep:
        check_overlay_in_unit(scan, labels, factor)
    else:
        np.testing.assert_allclose(load_nifti(labels).header.get_zooms(), 1, atol=1e-4)
    assert "converted to millimetres" in " ".join(warnings)


def check_overlay_in_unit(scan: Path, labels: Path, factor: float) -> None:
    """Also readers that know no units, such as nibabel, see labels over the scan."""
    where = centre_by_nibabel(scan, bright)
    np.testing.assert_allclose(centre_by_nibabel(labels, core), where, atol=0.6 * factor)


@pytest.mark.parametrize("slices", [4, 8, 12])
@pytest.mark.parametrize("keep", [False, True], ids=["1 mm", "keepgeom"])
@pytest.mark.parametrize("fast", [False, True], ids=["full", "fast"])
def test_a_slab_that_lacks_structures_is_segmented(
    session: Session, tmp_path: Path, slices: int, keep: bool, fast: bool
) -> None:
    whole = write(tmp_path / "whole.nii", HEADERS["both alike"](5.0))
    slab = tmp_path / "scan.nii"
    # The lowest slices show nothing of the bright core's upper half, or of the core at all.
    nib.save(load_nifti(whole).slicer[:, :, :slices], slab)
    labels, _ = segmented(session, slab, keep_geometry=keep, fast=fast)
    found = load_nifti(labels)
    if keep:
        assert found.shape == (*SHAPE[:2], slices)
    assert np.count_nonzero(found.dataobj)
    if slices > 4:
        check_overlay(slab, labels)

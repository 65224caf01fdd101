from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, CORONAL, SAGITTAL, Made, write_series
from synthseg_client.dicom.choice import find_series
from synthseg_client.dicom.geometry import (
    TO_RAS,
    farthest_from_voxels,
    frame_affine,
    on_slices,
    shape_of,
    straightened,
)
from synthseg_client.dicom.stacks import Stack


def stack_of(folder: Path, made: Made) -> Stack:
    write_series(folder, made)
    return find_series(folder)[0].stack


def pixels_of(made: Made) -> np.ndarray:
    kept = [index for index in range(made.shape[2]) if index not in made.leave_out]
    return made.image()[kept].transpose(2, 1, 0)


def own_affine(stack: Stack, step_mm: float) -> np.ndarray:
    affine = frame_affine(stack, 0)
    affine[:3, 2] *= step_mm
    return affine


def test_a_regular_stack(tmp_path: Path) -> None:
    shape = shape_of(stack_of(tmp_path, Made()))
    assert shape.is_regular
    assert not shape.has_hole
    assert shape.step_mm == pytest.approx(3)
    assert shape.missing == 0


def test_a_pixel_lies_where_the_standard_says(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, Made(orientation=SAGITTAL))
    # PS3.3 C.7.6.2.1.1: position + column x spacing of columns x direction of rows + ...
    lps = (
        np.array([-31.5, 12.25, -40]) + 5 * 1.5 * np.array([0, 1, 0]) + 7 * 2 * np.array([0, 0, -1])
    )
    found = frame_affine(stack, 0) @ (5, 7, 0, 1)
    np.testing.assert_allclose(found, TO_RAS @ (*lps, 1), atol=1e-9)


@pytest.mark.parametrize("tilt_deg", [18.0, -25.0])
def test_tilt_is_measured(tmp_path: Path, tilt_deg: float) -> None:
    shape = shape_of(stack_of(tmp_path, Made(tilt_deg=tilt_deg)))
    assert shape.tilt_deg == pytest.approx(abs(tilt_deg))
    assert shape.is_even
    assert not shape.is_straight


@pytest.mark.parametrize(
    ("leave_out", "missing", "has_hole"),
    [((5,), 1, False), ((5, 9), 2, False), ((5, 6, 7), 3, True)],
)
def test_missing_slices_are_counted(
    tmp_path: Path, leave_out: tuple[int, ...], missing: int, has_hole: bool
) -> None:
    shape = shape_of(stack_of(tmp_path, Made(leave_out=leave_out)))
    assert not shape.is_even
    assert (shape.missing, shape.has_hole) == (missing, has_hole)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL])
def test_labels_on_the_slices_own_grid_come_back_exactly(
    tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    stack = stack_of(tmp_path, Made(orientation=orientation))
    labels = np.random.default_rng(0).integers(0, 9, stack.shape).astype(np.int32)
    affine = own_affine(stack, 3)
    assert farthest_from_voxels(affine, labels.shape, stack) < 1e-9
    np.testing.assert_array_equal(on_slices(labels, affine, stack), labels.transpose(2, 1, 0))
    turned = labels[:, ::-1, ::-1].transpose(2, 0, 1)
    change = np.eye(4)[[2, 0, 1, 3]].T @ np.eye(4)
    flip = np.diag([1.0, -1, -1, 1])
    flip[1:3, 3] = labels.shape[1] - 1, labels.shape[2] - 1
    np.testing.assert_array_equal(
        on_slices(turned, affine @ flip @ change, stack), labels.transpose(2, 1, 0)
    )


def test_a_volume_elsewhere_is_seen(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, Made())
    affine = own_affine(stack, 3)
    affine[0, 3] += 0.75  # half a voxel
    assert farthest_from_voxels(affine, stack.shape, stack) in (pytest.approx(0.5), float("inf"))
    affine[0, 3] += 100
    assert farthest_from_voxels(affine, stack.shape, stack) == float("inf")


def test_slices_in_their_places_stay_as_they_are(tmp_path: Path) -> None:
    made = Made()
    image, affine = straightened(pixels_of(made), stack := stack_of(tmp_path, made))
    np.testing.assert_array_equal(image, pixels_of(made))
    np.testing.assert_allclose(affine, own_affine(stack, 3), atol=1e-9)


def test_missing_slices_are_interpolated_and_the_others_kept(tmp_path: Path) -> None:
    made = Made(leave_out=(5,))
    image, _ = straightened(pixels_of(made), stack_of(tmp_path, made))
    whole = made.image().transpose(2, 1, 0)
    assert image.shape == whole.shape
    np.testing.assert_allclose(image[..., 6:], whole[..., 6:])
    np.testing.assert_allclose(image[..., 5], (whole[..., 4] / 2 + whole[..., 6] / 2), atol=1e-3)


def test_tilted_slices_are_put_above_one_another(tmp_path: Path) -> None:
    """A ramp in space is a ramp in the straight volume too."""
    made = Made(tilt_deg=20)
    stack = stack_of(tmp_path, made)
    columns, rows, slices = stack.shape
    grid = np.stack([*np.meshgrid(range(columns), range(rows), indexing="ij")])
    flat = np.concatenate(
        [grid.reshape(2, -1), np.zeros((1, rows * columns)), np.ones((1, rows * columns))]
    )
    pixels = np.stack(
        [(frame_affine(stack, i) @ flat)[1].reshape(columns, rows) for i in range(slices)], axis=-1
    )
    image, affine = straightened(pixels, stack)
    inside = on_slices(np.ones(image.shape, np.int32), affine, stack)
    assert inside.all()
    indices = np.indices(image.shape).reshape(3, -1)
    expected = (affine[:3, :3] @ indices + affine[:3, 3:])[1].reshape(image.shape)
    # Slices drift by 12.5 rows in all: these are in each of them.
    rows_of_all = (slice(None), slice(14, 34), slice(None))
    np.testing.assert_allclose(image[rows_of_all], expected[rows_of_all], atol=1e-2)

"""Where the slices of a series lie, a straight volume of slices that do not, and the way back.

DICOM counts millimetres to the left and to the back, NIfTI to the right and to the front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from synthseg_common.arrays import AnyArray, Float32Array, Float64Array, Int32Array

from synthseg_client.dicom.stacks import Stack

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_EVEN = 0.02
_ROUNDING_MM = 0.02
_STRAIGHT_PIXELS = 0.1
_WIDEST_HOLE_MM = 10.5
_WIDEST_HOLE_STEPS = 5.0
_FINEST = 0.1
"""Quantile of the distances of slices that an even volume takes for its own."""


@dataclass(frozen=True)
class Shape:
    """How regular a stack is.

    Attributes:
        step_mm: Usual distance of slices.
        is_even: Whether all distances are that.
        tilt_deg: Angle between the way from slice to slice and their normal.
        is_straight: Whether slices lie above one another, not shifted.
        widest_mm: Largest distance.
        missing: How many slices seem to be missing.
    """

    step_mm: float
    is_even: bool
    tilt_deg: float
    is_straight: bool
    widest_mm: float
    missing: int

    @property
    def is_regular(self) -> bool:
        """Whether the slices are a volume as they are."""
        return self.is_even and self.is_straight

    @property
    def has_hole(self) -> bool:
        """Whether more is missing than can be bridged."""
        widest = max(_WIDEST_HOLE_MM, 1.5 * self.step_mm)
        return not self.is_even and (
            self.widest_mm > widest or self.widest_mm > _WIDEST_HOLE_STEPS * self.step_mm
        )


def shape_of(stack: Stack) -> Shape:
    """Measures a stack of two slices or more."""
    gaps = stack.gaps_mm
    step = float(np.median(gaps))
    off = np.abs(gaps - step)
    drift = _drift_pixels(stack)
    last = stack.offsets_mm[-1]
    return Shape(
        step_mm=step,
        is_even=bool(np.all(off <= _EVEN * step + _ROUNDING_MM)),
        tilt_deg=float(np.degrees(np.arctan2(np.linalg.norm(last[:2]), last[2]))),
        is_straight=bool(np.abs(drift).max() <= _STRAIGHT_PIXELS),
        widest_mm=float(gaps.max()),
        missing=int(np.maximum(np.rint(gaps / step) - 1, 0).sum()),
    )


def frame_affine(stack: Stack, index: int) -> Float64Array:
    """float64 `[4, 4]`: column, row, 0 of a slice to mm in RAS."""
    matrix = np.eye(4)
    x, y, normal = stack.directions
    matrix[:3, 0], matrix[:3, 1] = x * stack.pixel_mm[0], y * stack.pixel_mm[1]
    matrix[:3, 2] = normal
    matrix[:3, 3] = stack.frames[index].place.position
    placed: Float64Array = TO_RAS @ matrix
    return placed


def straightened(pixels: AnyArray, stack: Stack) -> tuple[Float32Array, Float64Array]:
    """A volume with right angles and even slices, of slices that are shifted or uneven.

    Each slice is moved in its own plane, linearly interpolated; then slices are interpolated
    between their places. Nothing is smoothed. What no slice covers is as dark as the darkest pixel.

    Args:
        pixels: `[column, row, slice]`, in the stack's order.
        stack: Where they lie.

    Returns:
        float32 `[column, row, slice]`, and float64 `[4, 4]`, its indices to mm in RAS.
    """
    drift = _drift_pixels(stack)
    start = np.floor(drift.min(axis=0))
    size = np.ceil(drift.max(axis=0) - start).astype(int) + pixels.shape[:2]
    dark = float(pixels.min())
    moved = np.stack(
        [
            ndimage.shift(
                _padded(pixels[..., index], size, dark),
                drift[index] - start,
                order=1,
                mode="constant",
                cval=dark,
                prefilter=False,
            )
            for index in range(pixels.shape[2])
        ],
        axis=-1,
    )
    heights = stack.offsets_mm[:, 2]
    step = float(np.quantile(stack.gaps_mm, _FINEST))
    count = round(float(heights[-1]) / step) + 1
    even = np.linspace(0, heights[-1], count)
    affine = frame_affine(stack, 0)
    affine[:3, 3] += affine[:3, :2] @ start
    affine[:3, 2] *= even[1]
    return _between(moved, heights, even), affine


def on_slices(labels: Int32Array, affine: Float64Array, stack: Stack) -> Int32Array:
    """Labels of a volume on the slices of its series, at the nearest voxel.

    Where the volume is the slices themselves, in whatever order and direction, that is exact.

    Args:
        labels: int32 `[x, y, z]`.
        affine: float64 `[4, 4]`, their indices to mm in RAS.
        stack: The slices.

    Returns:
        int32 `[slice, row, column]`, 0 outside the volume.
    """
    columns, rows, slices = stack.shape
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows), indexing="xy"))
    flat = np.concatenate([grid.reshape(2, -1), np.zeros((1, grid[0].size))])
    found = np.zeros((slices, rows * columns), np.int32)
    size = np.reshape(labels.shape, (3, 1))
    for index in range(slices):
        change = np.linalg.inv(affine) @ frame_affine(stack, index)
        voxels = np.rint(change[:3, :3] @ flat + change[:3, 3:]).astype(np.int64)
        inside = np.all((voxels >= 0) & (voxels < size), axis=0)
        x, y, z = voxels[:, inside]
        found[index, inside] = labels[x, y, z]
    return found.reshape(slices, rows, columns)


def farthest_from_voxels(affine: Float64Array, shape: tuple[int, ...], stack: Stack) -> float:
    """By how many voxels corners of slices miss the centres of a volume's voxels, at most.

    Infinite where one lies outside it.
    """
    columns, rows, slices = stack.shape
    corners = np.array([(c, r, 0, 1) for c in (0, columns - 1) for r in (0, rows - 1)]).T
    worst = 0.0
    for index in range(slices):
        voxels = (np.linalg.inv(affine) @ frame_affine(stack, index) @ corners)[:3]
        nearest = np.rint(voxels)
        if np.any(nearest < 0) or np.any(nearest >= np.reshape(shape, (3, 1))):
            return float("inf")
        worst = max(worst, float(np.abs(voxels - nearest).max()))
    return worst


def _drift_pixels(stack: Stack) -> Float64Array:
    """float64 `[slice, 2]`: by how many pixels slices are shifted along rows and columns."""
    drift: Float64Array = stack.offsets_mm[:, :2] / stack.pixel_mm
    return drift


def _padded(plane: AnyArray, size: AnyArray, value: float) -> Float32Array:
    padded = np.full(size, value, np.float32)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    return padded


def _between(moved: Float32Array, heights: Float64Array, even: Float64Array) -> Float32Array:
    """Slices interpolated linearly at other heights."""
    low = np.clip(np.searchsorted(heights, even, side="right") - 1, 0, len(heights) - 2)
    weight = ((even - heights[low]) / (heights[low + 1] - heights[low])).astype(np.float32)
    between: Float32Array = moved[..., low] * (1 - weight) + moved[..., low + 1] * weight
    return between

"""Slices of a scan and of its labels, whatever grids the two have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage
from synthseg_common.arrays import AnyArray, Float32Array, Float64Array, Int32Array, UInt8Array
from synthseg_common.images import axes_in_ras

MARGIN_MM = 12.0
"""What is shown around the labels: brain that they miss lies there."""
_CHUNK_SLICES = 16
_HEADROOM = 0.1  # above what is labelled, so that white matter is not flat white
Order = Literal[0, 1]
"""0 takes the nearest voxel, as labels want, 1 interpolates linearly."""
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class Volume:
    """Voxels and where they lie.

    Attributes:
        values: `[x, y, z]`.
        affine: float64 `[4, 4]`, voxel indices to mm in RAS.
    """

    values: AnyArray
    affine: Float64Array


@dataclass(frozen=True)
class Display:
    """A box around the labels, with axes right, anterior, superior as near as theirs run.

    Attributes:
        corner_mm: float64 `[3]`: its left, posterior, inferior corner, in RAS.
        axes: float64 `[3, 3]`: unit vectors of its axes, in columns.
        size_mm: float64 `[3]`: its extent along these.
    """

    corner_mm: Float64Array
    axes: Float64Array
    size_mm: Float64Array

    @classmethod
    def around(cls, labels: Volume, margin_mm: float = MARGIN_MM) -> Display:
        """The box of all that is labelled and a margin, within the grid of the labels.

        Args:
            labels: Integers; without any the whole grid is shown.
            margin_mm: What is shown around it.
        """
        order = axes_in_ras(labels.affine)
        sizes = np.linalg.norm(labels.affine[:3, :3], axis=0)
        last = np.array(labels.values.shape) - 0.5
        box = ndimage.find_objects((labels.values != 0).astype(np.uint8))
        low, high = np.full(3, -0.5), last
        if box:
            margin = margin_mm / sizes
            low = np.maximum([part.start - 0.5 for part in box[0]] - margin, -0.5)
            high = np.minimum([part.stop - 0.5 for part in box[0]] + margin, last)
        steps = (labels.affine[:3, :3] / sizes)[:, order]
        signs = np.where(np.diag(steps) >= 0, 1.0, -1.0)
        start = np.where(signs[np.argsort(order)] > 0, low, high)
        corner = labels.affine[:3, :3] @ start + labels.affine[:3, 3]
        return cls(corner, steps * signs, ((high - low) * sizes)[order])

    def enlarged(self, multiple_mm: float) -> Display:
        """The same, as little larger as makes its sizes multiples, so that pixels fit in evenly."""
        size = np.ceil(self.size_mm / multiple_mm - 1e-6) * multiple_mm
        corner = self.corner_mm - self.axes @ ((size - self.size_mm) / 2)
        return Display(corner, self.axes, size)

    def shape(self, step_mm: float) -> tuple[int, int, int]:
        """Pixels of one size along each axis."""
        x, y, z = np.maximum(np.round(self.size_mm / step_mm), 1).astype(int)
        return int(x), int(y), int(z)

    def affine(self, step_mm: float) -> Float64Array:
        """float64 `[4, 4]`: from the box's voxels of a size to mm in RAS."""
        affine = np.eye(4)
        affine[:3, :3] = self.axes * step_mm
        affine[:3, 3] = self.corner_mm + self.axes @ np.full(3, step_mm / 2)
        return affine

    def plane(self, volume: Volume, cut: Cut, step_mm: float, *, order: Order) -> Float32Array:
        """One slice of a volume.

        Args:
            volume: On any grid; it is 0 outside of it.
            cut: Which slice.
            step_mm: Size of a pixel.
            order: How it is sampled.

        Returns:
            float32 `[row, column]`, rows from top to bottom: superior or anterior first, the
            subject's left (or posterior) side on the left.
        """
        counts = self.shape(step_mm)
        ranges = [np.arange(count, dtype=np.float64) for count in counts]
        ranges[cut.axis] = np.array([cut.share * self.size_mm[cut.axis] / step_mm - 0.5])
        sampled = self._sampled(volume, ranges, step_mm, order)
        return np.flipud(np.squeeze(sampled, cut.axis).T)

    def volume(self, volume: Volume, step_mm: float, *, order: Order) -> Float32Array:
        """float32 `[x, y, z]`: the whole box; see `plane`."""
        counts = self.shape(step_mm)
        result = np.empty(counts, np.float32)
        for start in range(0, counts[2], _CHUNK_SLICES):
            part = slice(start, min(start + _CHUNK_SLICES, counts[2]))
            ranges = [np.arange(n, dtype=np.float64) for n in counts[:2]]
            ranges.append(np.arange(part.start, part.stop, dtype=np.float64))
            result[:, :, part] = self._sampled(volume, ranges, step_mm, order)
        return result

    def _sampled(
        self, volume: Volume, ranges: Sequence[Float64Array], step_mm: float, order: Order
    ) -> Float32Array:
        change = np.linalg.inv(volume.affine) @ self.affine(step_mm)
        x, y, z = np.meshgrid(*ranges, indexing="ij", sparse=True)
        moved = [row[0] * x + row[1] * y + row[2] * z + row[3] for row in change[:3]]
        sampled: Float32Array = ndimage.map_coordinates(
            volume.values, moved, output=np.dtype(np.float32), order=order, cval=0.0
        )
        return sampled


@dataclass(frozen=True)
class Cut:
    """A slice.

    Attributes:
        axis: Across which axis it lies: 0 sagittal, 1 coronal, 2 axial.
        share: Where, from 0 at the left, posterior or inferior end of the box to 1.
    """

    axis: int
    share: float

    @property
    def plane(self) -> str:
        """Name of its plane."""
        return _PLANES[self.axis]


def cuts(per_plane: int, margin_mm: float, display: Display) -> list[list[Cut]]:
    """Evenly spread slices: axial, then coronal, then sagittal ones.

    Args:
        per_plane: How many of each.
        margin_mm: What the box shows around the labels, where nothing is to be seen.
        display: The box.
    """
    rows = []
    for axis in (2, 1, 0):
        edge = min(margin_mm / display.size_mm[axis], 0.4)
        shares = edge + (1 - 2 * edge) * (np.arange(per_plane) + 0.75) / (per_plane + 0.5)
        rows.append([Cut(axis, float(share)) for share in shares])
    return rows


def window(planes: Sequence[Float32Array], labels: Sequence[Int32Array]) -> tuple[float, float]:
    """Intensities to show as black and as white, so that what is labelled has contrast.

    Args:
        planes: float32 slices of the scan.
        labels: int32, the same slices of the labels.
    """
    shown = np.concatenate([plane.ravel() for plane in planes])
    inside = np.concatenate(
        [p[where != 0] for p, where in zip(planes, labels, strict=True)] or [shown]
    )
    low, high = np.percentile(inside if inside.size else shown, (0.5, 99.5))
    # Air of a CT lies a thousand units below the brain.
    bottom = max(float(np.percentile(shown, 1)), float(low - 0.25 * (high - low)))
    if high <= bottom:
        bottom, high = float(shown.min()), float(shown.max())
    white = high + _HEADROOM * (high - bottom)
    return bottom, float(white) if white > bottom else bottom + 1.0


def as_grey(plane: Float32Array, low: float, high: float) -> UInt8Array:
    """uint8: a slice within a window of intensities."""
    grey: UInt8Array = (
        np.clip((plane - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
    )
    return grey

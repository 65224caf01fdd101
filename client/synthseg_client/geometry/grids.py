"""From a scan's grid to the network's, and from there to the grid of the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from synthseg_common.arrays import AnyArray, Float32Array, Float64Array, Int32Array
from synthseg_common.images import Placement
from synthseg_common.processing import VOXEL_MM

from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.geometry.crop import Box
from synthseg_client.geometry.orientation import Orientation, orientation_of
from synthseg_client.geometry.resampling import Resampling, plan_resampling
from synthseg_client.inputs.scans import Scan


@dataclass(frozen=True)
class Prepared:
    """A scan ready for the network.

    Attributes:
        scan: As read.
        native: float32 `[x, y, z]`: the scan at 1 mm along its own axes.
        placement: Where `native` lies.
        resampling: How `native` came from the scan; None if it is the scan.
        orientation: Of the axes of `native`.
    """

    scan: Scan
    native: Float32Array
    placement: Placement
    resampling: Resampling | None
    orientation: Orientation

    @property
    def affine(self) -> Float64Array:
        """float64 `[4, 4]` of `native`: voxel indices to mm in RAS."""
        return self.placement.affine

    @property
    def ras(self) -> Float32Array:
        """View of `native` with axes running right, anterior, superior."""
        return self.orientation.to_ras(self.native)


def prepare(scan: Scan, target_mm: float = VOXEL_MM) -> Prepared:
    """Resamples a scan to the model's voxel size where it needs it, and finds out how it lies."""
    resampling = plan_resampling(scan.image.shape, scan.affine, target_mm)
    placement = scan.placement.said_in_both_ways()
    if resampling is None:
        if not scan.placement.is_stated:
            # On the scan's own grid its header's silence makes every program guess as for the scan.
            placement = scan.placement
        return Prepared(scan, scan.image, placement, None, orientation_of(scan.affine))
    placement = placement.moved(resampling.affine_out)
    native = resampling.apply(scan.image)
    return Prepared(scan, native, placement, resampling, orientation_of(placement.affine))


@dataclass(frozen=True)
class ResultGrid:
    """The grid that labels and posteriors are given on: voxel axes are the scan's own.

    Attributes:
        prepared: The scan.
        box: Part of its RAS volume that the network saw; all else is background.
        keep: Whether it is the scan's own grid, rather than 1 mm.
    """

    prepared: Prepared
    box: Box
    keep: bool

    @property
    def affine(self) -> Float64Array:
        """float64 `[4, 4]`: voxel indices to mm in RAS."""
        return self.placement.affine

    @property
    def placement(self) -> Placement:
        """Where it lies: as the scan, for every program that reads both."""
        return self.prepared.scan.placement if self.keep else self.prepared.placement

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels per axis."""
        return self.prepared.scan.image.shape if self.keep else self.prepared.native.shape

    @property
    def is_native(self) -> bool:
        """Whether it is the 1 mm grid that the network saw, along the scan's own axes."""
        return self._resampling is None

    def at_1_mm(self) -> ResultGrid:
        """The same part of the same scan on the grid that the network saw."""
        return replace(self, keep=False)

    def best_channels(self, clean: CleanPosteriors, n_labels: int) -> Int32Array:
        """int32 `[x, y, z]`: most probable channel everywhere.

        On the scan's grid every channel is interpolated, one after the other with a running
        maximum: never all in memory at once.
        """
        if self._resampling is None:
            return self.placed(clean.best_channels())
        best = np.zeros(self.shape, np.int32)
        highest = self.channel(clean, 0)
        for index in range(1, n_labels):
            where, part = self._interpolated(*clean.part(index), self._resampling)
            better = part > highest[where]
            highest[where][better] = part[better]
            best[where][better] = index
        return best

    def channel(self, clean: CleanPosteriors, index: int) -> Float32Array:
        """float32 `[x, y, z]`: probability of one channel everywhere."""
        # Around the box background is 1: what it lacks to 1 is treated like any structure.
        if self._resampling is None:
            volume = clean.channel(index)
            native = self.placed(1 - volume if index == 0 else volume)
        else:
            native = np.zeros(self.shape, np.float32)
            where, part = self._interpolated(*clean.part(index), self._resampling)
            native[where] = part
        return 1 - native if index == 0 else native

    @property
    def _resampling(self) -> Resampling | None:
        """What has to be undone, if anything."""
        return self.prepared.resampling if self.keep else None

    def placed(self, part: AnyArray) -> AnyArray:
        """A volume of the box's shape in its place at 1 mm along the scan's own axes."""
        full = np.zeros(self.prepared.ras.shape, part.dtype)
        full[self.box.slices] = part
        return np.ascontiguousarray(self.prepared.orientation.from_ras(full))

    def _interpolated(
        self, start: Sequence[int], part: AnyArray, resampling: Resampling
    ) -> tuple[tuple[slice, ...], Float32Array]:
        """Where on the scan's grid a part of the box is not zero, and its values there."""
        orientation = self.prepared.orientation
        in_volume = [a + b for a, b in zip(start, self.box.start, strict=True)]
        begin = orientation.start_from_ras(in_volume, part.shape, self.prepared.ras.shape)
        return resampling.back(orientation.from_ras(part), begin)

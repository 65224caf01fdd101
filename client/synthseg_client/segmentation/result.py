"""What became of one scan, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from synthseg_common.arrays import Float32Array, Float64Array, Int32Array
from synthseg_common.images import Placement

from synthseg_client.answers.posteriors import CleanPosteriors
from synthseg_client.geometry.grids import ResultGrid
from synthseg_client.inputs.scans import Scan
from synthseg_client.model import LabelTable, Model, label_table
from synthseg_client.options import Options
from synthseg_client.pictures.display import Volume
from synthseg_client.segmentation.labelling import label_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Segmentation:
    """What became of one scan.

    Attributes:
        labels: int32 `[x, y, z]`: label values, along the scan's own axes.
        volumes: mm³ by structure name, in the order of the volumes table.
        model: Which model answered.
        options: How it was asked.
        warnings: What the user should know, about the scan and the result.
        passes: How often the network was asked: more than once where structures touched a cut.
        seconds: Wall time by step: `prepare`, `server`, `cleanup`, and `parcels` and `quality`
            where these were asked for.
        grid: Grid of `labels` and posteriors, and the scan at 1 mm.
        quality: Predicted Dice by group of structures, 0 to 1; empty if it was not asked for.
        companions: Which other models answered.
    """

    labels: Int32Array
    volumes: dict[str, float]
    model: Model
    options: Options
    warnings: tuple[str, ...]
    passes: int
    seconds: dict[str, float]
    grid: ResultGrid
    _posteriors: CleanPosteriors = field(repr=False)
    quality: dict[str, float] = field(default_factory=dict)
    companions: tuple[Model, ...] = ()
    _parcels: Int32Array | None = field(default=None, repr=False)

    @property
    def label_table(self) -> LabelTable:
        """Values and names of all that `labels` may hold."""
        return label_table(self.model, self.companions)

    @property
    def scan(self) -> Scan:
        """The scan as it was read."""
        return self.grid.prepared.scan

    @property
    def affine(self) -> Float64Array:
        """float64 `[4, 4]` of `labels`: voxel indices to mm in RAS."""
        return self.grid.affine

    @property
    def placement(self) -> Placement:
        """Where `labels` lie, in each way that the scan's header says it."""
        return self.grid.placement

    @property
    def was_resampled(self) -> bool:
        """Whether the scan's voxels were not 1 mm."""
        return self.grid.prepared.resampling is not None

    @property
    def resampled(self) -> Float32Array:
        """float32 `[x, y, z]`: the scan at 1 mm along its own axes."""
        return self.grid.prepared.native

    @property
    def resampled_affine(self) -> Float64Array:
        """float64 `[4, 4]` of `resampled`."""
        return self.resampled_placement.affine

    @property
    def resampled_placement(self) -> Placement:
        """Where `resampled` lies."""
        return self.grid.prepared.placement

    def labels_at_1_mm(self) -> Int32Array:
        """int32 `[x, y, z]`: label values on the grid of `resampled`, made anew at each call."""
        grid = self.grid.at_1_mm()
        if grid.is_native == self.grid.is_native:
            return self.labels
        return label_map(grid, self._posteriors, self.model, self._parcels)

    def labels_on_scan(self) -> Int32Array:
        """int32, shape of the scan: label values on its own grid, made anew at each call."""
        grid = replace(self.grid, keep=True)
        if grid.is_native == self.grid.is_native:
            return self.labels
        return label_map(grid, self._posteriors, self.model, self._parcels)

    def plot(self, slices: int = 5) -> Figure:
        """Draws contours of structures over slices of the scan, in three planes.

        Args:
            slices: How many of each plane.

        Returns:
            A figure of matplotlib, which notebooks show; `figure.savefig(path)` keeps it.

        Raises:
            UsageError: matplotlib is not installed.
        """
        from synthseg_client.pictures.figure import draw_figure

        scan = Volume(self.scan.image, self.scan.affine)
        return draw_figure(scan, Volume(self.labels, self.affine), self.label_table, slices)

    def posterior(self, channel: int) -> Float32Array:
        """float32 `[x, y, z]`: probability of one channel on the grid of `labels`."""
        return self.grid.channel(self._posteriors, channel)

    def posteriors(self) -> Float32Array:
        """float32 `[x, y, z, label]`: all of them; large."""
        return np.stack([self.posterior(c) for c in range(self.model.n_labels)], axis=-1)

"""A figure of one segmentation, for notebooks: what `Segmentation.plot` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from synthseg_common.arrays import AnyArray, Int32Array
from synthseg_common.colours import colour_of

from synthseg_client.errors import UsageError
from synthseg_client.model import LabelTable
from synthseg_client.pictures.contours import paint_contours
from synthseg_client.pictures.display import (
    MARGIN_MM,
    Display,
    Volume,
    as_grey,
    cuts,
    window,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEP_MM = 0.5
_TILE_INCHES = 2.4
_LEGEND_COLUMNS = 4
_LEGEND_ROW_INCHES = 0.2


def draw_figure(scan: Volume, labels: Volume, table: LabelTable, slices: int) -> Figure:
    """Contours of structures over slices of a scan: axial, coronal and sagittal, one row each.

    Args:
        scan: Intensities on any grid.
        labels: Their labels, on the same or another grid.
        table: Names of the labels, for the legend.
        slices: How many of each plane.

    Raises:
        UsageError: matplotlib is not installed, or no slices are wanted.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError as error:
        raise UsageError(
            "plot needs matplotlib, which is not installed here: "
            "pip install 'synthseg-serving[report]'."
        ) from error
    if slices < 1:
        raise UsageError(f"plot draws 1 slice of each plane or more, got slices={slices}.")
    rows = _planes(scan, labels, slices)
    found = np.unique(labels.values)
    shown = [(v, n) for v, n in zip(*table, strict=True) if v != 0 and v in found]
    legend_inches = _LEGEND_ROW_INCHES * (-(-len(shown) // _LEGEND_COLUMNS) + 1)
    height = 3 * _TILE_INCHES + legend_inches
    figure = Figure(figsize=(slices * _TILE_INCHES, height), facecolor="black")
    panels = figure.subplots(3, slices, squeeze=False)
    figure.subplots_adjust(0, legend_inches / height, 1, 1, 0.01, 0.01)
    for panel, (grey, contours) in zip(panels.flat, rows, strict=True):
        panel.imshow(grey, cmap="gray", vmin=0, vmax=255)
        panel.imshow(contours, interpolation="antialiased")
        panel.axis("off")
    for panel in panels[:2, 0]:
        panel.text(0.03, 0.5, "L", color="white", transform=panel.transAxes)
    handles = [Patch(color=f"#{bytes(colour_of(v)).hex()}", label=n) for v, n in shown]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=_LEGEND_COLUMNS,
        fontsize=7.5,
        frameon=False,
        labelcolor="white",
    )
    return figure


def _planes(scan: Volume, labels: Volume, slices: int) -> list[tuple[AnyArray, AnyArray]]:
    """Grey slices and their contours, in the order of `cuts`."""
    display = Display.around(labels)
    chosen = [cut for row in cuts(slices, MARGIN_MM, display) for cut in row]
    grey = [display.plane(scan, cut, _STEP_MM, order=1) for cut in chosen]
    painted: list[Int32Array] = [
        display.plane(labels, cut, _STEP_MM, order=0).astype(np.int32) for cut in chosen
    ]
    low, high = window(grey, painted)
    return [(as_grey(g, low, high), paint_contours(p)) for g, p in zip(grey, painted, strict=True)]

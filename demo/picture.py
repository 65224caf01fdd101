"""One picture: each scan in three planes, without and with its labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to
from synthseg_common.colours import colour_of

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch

LABEL_OPACITY = 0.55
# Name, left and right label value of FreeSurfer, equal on the midline.
STRUCTURES: tuple[tuple[str, int, int], ...] = (
    ("cerebral white matter", 2, 41),
    ("cerebral cortex", 3, 42),
    ("lateral ventricle", 4, 43),
    ("inferior lateral ventricle", 5, 44),
    ("cerebellum white matter", 7, 46),
    ("cerebellum cortex", 8, 47),
    ("thalamus", 10, 49),
    ("caudate", 11, 50),
    ("putamen", 12, 51),
    ("pallidum", 13, 52),
    ("3rd ventricle", 14, 14),
    ("4th ventricle", 15, 15),
    ("brain-stem", 16, 16),
    ("hippocampus", 17, 53),
    ("amygdala", 18, 54),
    ("CSF", 24, 24),
    ("accumbens area", 26, 58),
    ("ventral DC", 28, 60),
)
WIDTH_INCHES = 15.0
LEGEND_INCHES = 0.8
TITLE_INCHES = 0.35
MARGIN_VOXELS = 4
# A little off the midline: the sagittal plane shows more than the gap between hemispheres.
OFF_MIDLINE_VOXELS = 8


@dataclass(frozen=True)
class Row:
    """One scan of the picture.

    Attributes:
        title: Line above it.
        scan: The scan.
        labels: Its label map, whose grid is the one shown.
    """

    title: str
    scan: Path
    labels: Path


@dataclass(frozen=True)
class _Volume:
    """A scan and its labels on one 1 mm grid, axes right, anterior, superior, cut to the head."""

    scan: np.ndarray
    labels: np.ndarray
    brightest: float

    def planes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Scan and labels of an axial, a coronal and a sagittal plane, rows running up."""
        middle = np.array(self.scan.shape) // 2 - (OFF_MIDLINE_VOXELS, 0, 0)
        return [
            (np.take(self.scan, middle[axis], axis).T, np.take(self.labels, middle[axis], axis).T)
            for axis in (2, 1, 0)
        ]


def draw_picture(rows: list[Row], path: Path) -> None:
    """Draws each scan in three planes, above the same with its labels, and writes a PNG.

    Args:
        rows: The scans, drawn from left to right.
        path: The PNG.
    """
    volumes = [_read_volume(row) for row in rows]
    widths = [plane.shape[1] for volume in volumes for plane, _ in volume.planes()]
    panel_inches = WIDTH_INCHES / sum(widths) * max(max(v.scan.shape[1:]) for v in volumes)
    height = 2 * panel_inches + LEGEND_INCHES + TITLE_INCHES
    figure, panels = plt.subplots(
        2,
        len(widths),
        figsize=(WIDTH_INCHES, height),
        facecolor="black",
        gridspec_kw={"width_ratios": widths, "left": 0, "right": 1, "wspace": 0, "hspace": 0}
        | {"top": 1 - TITLE_INCHES / height, "bottom": LEGEND_INCHES / height},
    )
    for index, (row, volume) in enumerate(zip(rows, volumes, strict=True)):
        _draw_volume(panels[:, 3 * index : 3 * index + 3], volume)
        middle = (sum(widths[: 3 * index]) + sum(widths[: 3 * index + 3])) / 2 / sum(widths)
        figure.text(
            middle, 1 - TITLE_INCHES / height, row.title, color="white", fontsize=13, ha="center"
        )
    _draw_legend(figure, set(np.concatenate([np.unique(v.labels) for v in volumes]).tolist()))
    figure.savefig(path, dpi=110, facecolor="black")
    plt.close(figure)


def _read_volume(row: Row) -> _Volume:
    labels_image = nib.as_closest_canonical(nib.load(row.labels))
    # Nearest neighbour, so that thick slices look as thick as they are.
    resampled = resample_from_to(nib.load(row.scan), labels_image, order=0)
    scan = resampled.get_fdata(dtype=np.float32)
    labels = np.asarray(labels_image.dataobj).astype(np.int32)
    brightest = float(np.percentile(scan[scan > 0], 99.5))
    head = np.nonzero((scan > 0.1 * brightest) | (labels > 0))
    box = tuple(slice(max(0, i.min() - MARGIN_VOXELS), i.max() + 1 + MARGIN_VOXELS) for i in head)
    return _Volume(scan[box], labels[box], brightest)


def _draw_volume(panels: np.ndarray, volume: _Volume) -> None:
    for column, (plane, labels) in enumerate(volume.planes()):
        for panel in panels[:, column]:
            panel.imshow(plane, cmap="gray", vmin=0, vmax=volume.brightest, origin="lower")
            panel.axis("off")
        panels[1, column].imshow(_colours(labels), origin="lower", interpolation="nearest")
    for panel in panels[:, :2].flat:
        panel.text(0.04, 0.06, "L", color="white", fontsize=10, transform=panel.transAxes)


def _draw_legend(figure: Figure, shown: set[int]) -> None:
    handles = [
        Patch(color=_rgb(left), label=name)
        for name, left, right in STRUCTURES
        if {left, right} & shown
    ]
    options = {"ncols": 9, "fontsize": 9, "frameon": False, "labelcolor": "white"}
    figure.legend(handles=handles, loc="lower center", **options)


def _colours(labels: np.ndarray) -> np.ndarray:
    rgba = np.zeros((*labels.shape, 4), np.float32)
    for value in np.unique(labels[labels > 0]):
        rgba[labels == value] = (*_rgb(int(value)), LABEL_OPACITY)
    return rgba


def _rgb(value: int) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in colour_of(value))

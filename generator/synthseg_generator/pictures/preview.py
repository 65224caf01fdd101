"""A contact sheet of synthetic or augmented scans beside their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from synthseg_common.colours import paint_labels

from synthseg_generator.arrays import AnyArray
from synthseg_generator.pictures.figures import (
    find_middle,
    make_black_figure,
    save_figure,
    turn_upright,
)
from synthseg_generator.sample import Sample, Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Axis that each view cuts.
_VIEWS = (("axial", 2), ("coronal", 1), ("sagittal", 0))
_CELL_INCHES = 1.9


def preview(samples: Samples, destination: Path, n_samples: int, first: int = 0) -> None:
    """Draws a contact sheet: one row per sample, three views, each as image and as labels.

    The same samples give the same picture. With several channels the first is shown.

    Args:
        samples: Synthetic or augmented scans.
        destination: Picture, in a format that matplotlib knows by its extension.
        n_samples: How many samples.
        first: Number of the first.

    Raises:
        OutputError: The picture cannot be written.
        StoreError: It cannot be written in this format, or a label map cannot be read.
        ConfigError: The settings do not fit the label maps.
    """
    figure, axes = make_black_figure(n_samples, 2 * len(_VIEWS), _CELL_INCHES)
    for row, k in zip(axes, range(first, first + n_samples), strict=True):
        _draw_row(row, samples.sample(k))
        row[0].set_title(_describe(samples, k), color="white", fontsize=8, loc="left")
    save_figure(figure, destination)


def _draw_row(axes: Sequence[Axes], sample: Sample) -> None:
    """Shows the middle of one sample, or rather of its structures, from three sides."""
    centre = find_middle(sample.labels)
    pictures: list[AnyArray] = []
    for _, axis in _VIEWS:
        grey = turn_upright(np.take(sample.image[..., 0], centre[axis], axis=axis))
        coloured = turn_upright(paint_labels(np.take(sample.labels, centre[axis], axis=axis)))
        pictures += [grey, coloured]
    for place, picture in zip(axes, pictures, strict=True):
        place.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        place.set_axis_off()


def _describe(samples: Samples, k: int) -> str:
    parameters = samples.parameters(k)
    spacing = " x ".join(f"{mm:.1f}" for mm in parameters.spacing_mm[0])
    flipped = ", flipped" if parameters.flip else ""
    return f"sample {k}   {samples.map_name(k)}{flipped}   {spacing} mm"

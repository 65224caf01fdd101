"""A contact sheet of synthetic scans beside their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthseg_generator.brain_generator import BrainGenerator, Sample
from synthseg_generator.colours import paint_labels
from synthseg_generator.files import whole
from synthseg_generator.plan import SampleParameters

# Axis that each view cuts.
_VIEWS = (("axial", 2), ("coronal", 1), ("sagittal", 0))
_CELL_INCHES = 1.9
_DOTS_PER_INCH = 110


def preview(generator: BrainGenerator, destination: Path, n_samples: int, first: int = 0) -> None:
    """Draws a contact sheet: one row per sample, three views, each as image and as labels.

    The same samples give the same picture. With several channels the first is shown.

    Args:
        generator: Makes the samples.
        destination: Picture, in a format that matplotlib knows by its extension.
        n_samples: How many samples.
        first: Number of the first.

    Raises:
        StoreError: The picture cannot be written, or a label map not be read.
        ConfigError: The settings do not fit the label maps.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 * len(_VIEWS)
    figure = Figure(
        figsize=(columns * _CELL_INCHES, n_samples * (_CELL_INCHES + 0.25) + 0.3),
        dpi=_DOTS_PER_INCH,
        facecolor="black",
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_samples, columns, squeeze=False)
    for row, k in zip(axes, range(first, first + n_samples), strict=True):
        parameters = generator.source.parameters(k)
        _draw_row(row, generator.render(parameters))
        row[0].set_title(_describe(generator, parameters, k), color="white", fontsize=8, loc="left")
    save_figure(figure, destination)


def save_figure(figure: Any, destination: Path) -> None:
    """Writes a figure whole or not at all, without the date and version that make bytes differ.

    Raises:
        StoreError: It cannot be written, or not in this format.
    """
    from synthseg_generator.errors import StoreError

    try:
        with whole(destination) as temporary:
            figure.savefig(
                temporary, facecolor=figure.get_facecolor(), metadata=_metadata(temporary)
            )
    except ValueError as error:
        raise StoreError(f"{destination} cannot be written: {error}") from error


def _metadata(path: Path) -> dict[str, Any]:
    return {"Software": None} if path.suffix == ".png" else {}


def _draw_row(axes: Any, sample: Sample) -> None:
    """Shows the middle of one sample, or rather of its structures, from three sides."""
    centre = _middle(sample.labels)
    pictures: list[np.ndarray] = []
    for _, axis in _VIEWS:
        grey = _upright(np.take(sample.image[..., 0], centre[axis], axis=axis))
        coloured = _upright(paint_labels(np.take(sample.labels, centre[axis], axis=axis)))
        pictures += [grey, coloured]
    for place, picture in zip(axes, pictures, strict=True):
        place.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        place.set_axis_off()


def _upright(plane: np.ndarray) -> np.ndarray:
    """Turns a plane of a RAS volume so that its second axis (front or top) points up."""
    return np.flip(np.swapaxes(plane, 0, 1), axis=0)


def _middle(labels: np.ndarray) -> list[int]:
    """Voxel at the structures' centre of mass; in the middle of the volume where there are none."""
    inside = labels != 0
    if not inside.any():
        return [side // 2 for side in labels.shape]
    counts = [inside.sum(axis=other) for other in ((1, 2), (0, 2), (0, 1))]
    return [int(np.average(np.arange(len(count)), weights=count)) for count in counts]


def _describe(generator: BrainGenerator, parameters: SampleParameters, k: int) -> str:
    name = generator.source.store.names[int(parameters.map_index)]
    spacing = " x ".join(f"{mm:.1f}" for mm in parameters.spacing_mm[0])
    flipped = ", flipped" if parameters.flip else ""
    return f"sample {k}   {name}{flipped}   {spacing} mm"

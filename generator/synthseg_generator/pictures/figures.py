"""What the generator's figures share. Importing this module does not import matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from synthseg_common.files import replacing

from synthseg_generator.arrays import AnyArray, Integers
from synthseg_generator.errors import StoreError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 110
_TITLE_INCHES = 0.25


def make_black_figure(
    n_rows: int, n_columns: int, cell_inches: float
) -> tuple[Figure, NDArray[np.object_]]:
    """A black figure of square cells with room for a title above each row.

    Returns:
        The figure, and its axes as an array `[row, column]`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(n_columns * cell_inches, n_rows * (cell_inches + _TITLE_INCHES) + 0.3),
        dpi=_DOTS_PER_INCH,
        facecolor="black",
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    return figure, figure.subplots(n_rows, n_columns, squeeze=False)


def save_figure(figure: Figure, destination: Path) -> None:
    """Writes a figure whole or not at all, without the date and version that make bytes differ.

    Raises:
        OutputError: It cannot be written.
        StoreError: It cannot be written in this format.
    """
    try:
        with replacing(destination) as temporary:
            figure.savefig(
                temporary, facecolor=figure.get_facecolor(), metadata=_metadata(temporary)
            )
    except ValueError as error:
        raise StoreError(f"{destination} cannot be written: {error}") from error


def _metadata(path: Path) -> dict[str, None]:
    return {"Software": None} if path.suffix == ".png" else {}


def turn_upright(plane: AnyArray) -> AnyArray:
    """Turns a plane of a RAS volume so that its second axis (front or top) points up."""
    return np.flip(np.swapaxes(plane, 0, 1), axis=0)


def find_middle(labels: Integers) -> list[int]:
    """Voxel at the structures' centre of mass; in the middle of the volume where there are none."""
    inside = labels != 0
    if not inside.any():
        return [side // 2 for side in labels.shape]
    counts = [inside.sum(axis=other) for other in ((1, 2), (0, 2), (0, 1))]
    return [int(np.average(np.arange(len(count)), weights=count)) for count in counts]

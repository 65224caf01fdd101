"""A sample, what was to be found in it and what was found, as one picture."""

from __future__ import annotations

import numpy as np
from synthseg_common.colours import paint_labels
from synthseg_generator.pictures.figures import find_middle, turn_upright

from synthseg_trainer.aliases import Array, FloatArray, LabelArray, Picture

_GAP = 4
_MAX_ENLARGED = 64  # smaller volumes are shown with several pixels a voxel


def sample_picture(image: FloatArray, target: LabelArray, answer: LabelArray) -> Picture:
    """Draws three planes through the middle of the structures.

    Args:
        image: `[x, y, z]`, intensities of any range.
        target: Integers of the same shape, label values.
        answer: Likewise.

    Returns:
        uint8 `[height, width, 3]`; a row for each of the sagittal, coronal and axial planes, with
        image, target and answer beside each other.
    """
    low, high = float(image.min()), float(image.max())
    grey = np.zeros(image.shape) if high <= low else (image - low) / (high - low)
    volumes = (
        np.repeat(np.rint(255 * grey).astype(np.uint8)[..., None], 3, axis=-1),
        paint_labels(target),
        paint_labels(answer),
    )
    factor = max(1, _MAX_ENLARGED // max(image.shape))
    rows = []
    for axis, index in enumerate(find_middle(target)):
        planes = [turn_upright(np.take(volume, index, axis)) for volume in volumes]
        rows.append([np.kron(plane, np.ones((factor, factor, 1), np.uint8)) for plane in planes])
    height = max(plane.shape[0] for row in rows for plane in row)
    width = max(plane.shape[1] for row in rows for plane in row)
    return np.vstack([np.hstack([_framed(plane, height, width) for plane in row]) for row in rows])


def _framed(plane: Array, height: int, width: int) -> Picture:
    """A plane in the middle of a black frame."""
    spare = [height + _GAP - plane.shape[0], width + _GAP - plane.shape[1]]
    around = [(side // 2, side - side // 2) for side in spare]
    return np.pad(plane, [*around, (0, 0)])

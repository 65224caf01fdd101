"""Colours of labels, those of FreeSurfer's look-up table for its own values."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

# FreeSurferColorLUT.txt; both sides of a structure share a colour.
_FREESURFER = {
    (2, 41): (245, 245, 245),
    (3, 42): (205, 62, 78),
    (4, 43): (120, 18, 134),
    (5, 44): (196, 58, 250),
    (7, 46): (220, 248, 164),
    (8, 47): (230, 148, 34),
    (10, 49): (0, 118, 14),
    (11, 50): (122, 186, 220),
    (12, 51): (236, 13, 176),
    (13, 52): (13, 48, 255),
    (14,): (204, 182, 142),
    (15,): (42, 204, 164),
    (16,): (119, 159, 176),
    (17, 53): (220, 216, 20),
    (18, 54): (103, 255, 255),
    (24,): (60, 60, 60),
    (26, 58): (255, 165, 0),
    (28, 60): (165, 42, 42),
}
_BY_VALUE = {value: colour for values, colour in _FREESURFER.items() for value in values}
_GOLDEN_RATIO = 0.618034


def label_colours(values: Sequence[int]) -> np.ndarray:
    """Colours of label values; background is black, unknown values get a colour of their own.

    Returns:
        uint8 `[value, 3]`, red, green, blue.
    """
    return np.array([_colour(int(value)) for value in values], np.uint8)


def paint_labels(labels: np.ndarray) -> np.ndarray:
    """A label image in colours.

    Args:
        labels: Integers of any shape, label values.

    Returns:
        uint8 `[..., 3]`.
    """
    values, places = np.unique(labels, return_inverse=True)
    return label_colours(values.tolist())[places.reshape(labels.shape)]


def _colour(value: int) -> tuple[int, int, int]:
    if value == 0:
        return (0, 0, 0)
    if value in _BY_VALUE:
        return _BY_VALUE[value]
    # Steps of the golden ratio keep the hues of neighbouring values apart.
    red, green, blue = colorsys.hsv_to_rgb(value * _GOLDEN_RATIO % 1.0, 0.7, 0.95)
    return (round(255 * red), round(255 * green), round(255 * blue))

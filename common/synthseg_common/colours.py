"""Colours of labels: FreeSurfer's of its own values, any other label gets one of its own."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from synthseg_common.arrays import AnyArray, UInt8Array

Rgb = tuple[int, int, int]

# distribution/FreeSurferColorLUT.txt of github.com/freesurfer/freesurfer at 62228bae: the two sides
# of the pallidum (13 and 52) differ there too.
_FREESURFER: dict[tuple[int, ...], Rgb] = {
    (0,): (0, 0, 0),
    (2, 41): (245, 245, 245),
    (3, 42): (205, 62, 78),
    (4, 43): (120, 18, 134),
    (5, 44): (196, 58, 250),
    (7, 46): (220, 248, 164),
    (8, 47): (230, 148, 34),
    (10, 49): (0, 118, 14),
    (11, 50): (122, 186, 220),
    (12, 51): (236, 13, 176),
    (13,): (12, 48, 255),
    (52,): (13, 48, 255),
    (14,): (204, 182, 142),
    (15,): (42, 204, 164),
    (16,): (119, 159, 176),
    (17, 53): (220, 216, 20),
    (18, 54): (103, 255, 255),
    (24,): (60, 60, 60),
    (26, 58): (255, 165, 0),
    (28, 60): (165, 42, 42),
    (1001, 2001): (25, 100, 40),
    (1002, 2002): (125, 100, 160),
    (1003, 2003): (100, 25, 0),
    (1005, 2005): (220, 20, 100),
    (1006, 2006): (220, 20, 10),
    (1007, 2007): (180, 220, 140),
    (1008, 2008): (220, 60, 220),
    (1009, 2009): (180, 40, 120),
    (1010, 2010): (140, 20, 140),
    (1011, 2011): (20, 30, 140),
    (1012, 2012): (35, 75, 50),
    (1013, 2013): (225, 140, 140),
    (1014, 2014): (200, 35, 75),
    (1015, 2015): (160, 100, 50),
    (1016, 2016): (20, 220, 60),
    (1017, 2017): (60, 220, 60),
    (1018, 2018): (220, 180, 140),
    (1019, 2019): (20, 100, 50),
    (1020, 2020): (220, 60, 20),
    (1021, 2021): (120, 100, 60),
    (1022, 2022): (220, 20, 20),
    (1023, 2023): (220, 180, 220),
    (1024, 2024): (60, 20, 220),
    (1025, 2025): (160, 140, 180),
    (1026, 2026): (80, 20, 140),
    (1027, 2027): (75, 50, 125),
    (1028, 2028): (20, 220, 160),
    (1029, 2029): (20, 180, 140),
    (1030, 2030): (140, 220, 220),
    (1031, 2031): (80, 160, 20),
    (1032, 2032): (100, 0, 100),
    (1033, 2033): (70, 70, 70),
    (1034, 2034): (150, 150, 200),
    (1035, 2035): (255, 192, 32),
}
FREESURFER_COLOURS = {value: colour for values, colour in _FREESURFER.items() for value in values}
_GOLDEN_RATIO = 0.618033988749895


def colour_of(value: int) -> Rgb:
    """Red, green and blue, 0 to 255, of a label value."""
    if value in FREESURFER_COLOURS:
        return FREESURFER_COLOURS[value]
    # Steps of the golden ratio keep the hues of neighbouring values apart.
    red, green, blue = colorsys.hsv_to_rgb(
        value * _GOLDEN_RATIO % 1, 0.55 + 0.1 * (value % 4), 0.95
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def label_colours(values: Sequence[int]) -> UInt8Array:
    """Colours of label values.

    Returns:
        uint8 `[value, 3]`, red, green, blue.
    """
    return np.array([colour_of(int(value)) for value in values], np.uint8)


def paint_labels(labels: AnyArray) -> UInt8Array:
    """A label image in colours.

    Args:
        labels: Integers of any shape, label values.

    Returns:
        uint8 `[..., 3]`.
    """
    values, places = np.unique(labels, return_inverse=True)
    return label_colours(values.tolist())[places.reshape(labels.shape)]

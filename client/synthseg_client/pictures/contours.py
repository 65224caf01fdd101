"""Where structures end in a slice."""

from __future__ import annotations

import numpy as np
from synthseg_common.arrays import AnyArray, BoolArray, UInt8Array
from synthseg_common.colours import label_colours

_LEAST_BRIGHTNESS = 170.0


def edges(labels: AnyArray) -> BoolArray:
    """Bool `[row, column]`: labelled pixels that touch another label, side by side."""
    ends = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    ends[:, 1:] |= across
    ends[:, :-1] |= across
    ends[1:] |= down
    ends[:-1] |= down
    ends &= labels != 0
    return ends


def paint_contours(labels: AnyArray) -> UInt8Array:
    """Contours of structures in their colours over nothing.

    Args:
        labels: Integers `[row, column]`.

    Returns:
        uint8 `[row, column, 4]`: red, green, blue, opacity.
    """
    drawn = edges(labels)
    picture = np.zeros((*labels.shape, 4), np.uint8)
    values, places = np.unique(labels[drawn], return_inverse=True)
    if len(values):
        picture[drawn, :3] = _visible(label_colours(values.tolist()))[places]
    picture[drawn, 3] = 255
    return picture


def _visible(colours: UInt8Array) -> UInt8Array:
    """Colours that can be told from a grey scan: the dark ones are lifted."""
    brightest = colours.max(axis=1, keepdims=True).astype(np.float32)
    lifted = colours * np.maximum(1.0, _LEAST_BRIGHTNESS / np.maximum(brightest, 1))
    visible: UInt8Array = np.clip(lifted, 0, 255).astype(np.uint8)
    return visible

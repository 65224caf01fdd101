"""The smallest number types that labels and channels fit, in files and on the wire."""

from __future__ import annotations

import numpy as np

from synthseg_common.arrays import AnyDType

_IN_FILES = (np.uint8, np.int16, np.int32)  # which every reader of images knows
_SENT = (np.uint8, np.uint16, np.int32)
_COUNTS = (np.uint8, np.uint16)


def label_dtype(largest: int) -> AnyDType:
    """Type of label values, to `largest`, in files: the smallest that every reader knows."""
    return _smallest(largest, _IN_FILES)


def sent_label_dtype(largest: int) -> AnyDType:
    """Type of the label values, to `largest`, that a server answers with."""
    return _smallest(largest, _SENT)


def channel_dtype(n_labels: int) -> AnyDType:
    """Type of indices into a table of labels: channels of a network, ids of a stored map."""
    return _smallest(n_labels - 1, _COUNTS)


def _smallest(largest: int, types: tuple[type[np.integer], ...]) -> AnyDType:
    return np.dtype(next(t for t in types if np.iinfo(t).max >= largest))

"""What a server answers, made from posteriors, and the model that it is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from synthseg_client.model import Model
from synthseg_common import contract
from synthseg_common.arrays import AnyArray, Float32Array


def model_of(values: Sequence[int], classes: Sequence[int]) -> Model:
    """A model with these label values and topological classes."""
    table = np.asarray(values, np.int32)
    names = tuple(f"label {v}" for v in values)
    channels = np.arange(len(values), dtype=np.int32)
    return Model("synthseg", 1, table, names, np.asarray(classes, np.int32), channels)


def answer_of(
    posteriors: Float32Array,
    shape: Sequence[int],
    offset: Sequence[int],
    classes: Sequence[int],
    *,
    dense: bool,
) -> dict[str, AnyArray]:
    """What a server answers whose network gives these posteriors `[x, y, z, label]`."""
    foreground = posteriors[..., 1:].sum(axis=-1) > contract.FOREGROUND_THRESHOLD
    inside = posteriors[foreground].astype(np.float16)
    answer = {
        contract.NETWORK_SHAPE: np.array(posteriors.shape[:3], np.int32),
        contract.OFFSET: np.array(offset, np.int32),
        contract.FOREGROUND: np.packbits(foreground),
    }
    if dense:
        return {**answer, contract.POSTERIORS: inside}
    fixed = np.array([0, *(c for c in range(1, len(classes)) if classes[c] == 0)], np.int32)
    free = np.array([c for c in range(1, len(classes)) if classes[c] != 0])
    order = np.argsort(-inside[:, free], axis=1, kind="stable")[:, : contract.TOP_K]
    return {
        **answer,
        contract.FIXED_PROBABILITY: inside[:, fixed],
        contract.FIXED_CHANNELS: fixed,
        contract.TOP_PROBABILITY: np.take_along_axis(inside[:, free], order, axis=1),
        contract.TOP_CHANNELS: free[order].astype(np.uint8),
    }

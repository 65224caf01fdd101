"""Draws of skull-stripping: what becomes black. NumPy alone."""

from __future__ import annotations

import numpy as np
from synthseg_common.arrays import BoolArray
from synthseg_common.labels import BACKGROUND, CSF, GenerationLabels

from synthseg_generator.settings.coverage import Stripping


def draw_stripped(
    config: Stripping, labels: GenerationLabels, rng: np.random.Generator
) -> BoolArray:
    """Draws which labels are black: bool `[label]`, in the order of the table; perhaps none."""
    stripped = rng.random() < config.probability
    without_csf = rng.random() < config.csf_probability
    black = (BACKGROUND, CSF) if without_csf else (BACKGROUND,)
    return stripped & np.isin(labels.targets, black)

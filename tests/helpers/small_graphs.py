"""A head and rows of parameters, small enough for graphs that run in a moment."""

from __future__ import annotations

import numpy as np
from generator_fixtures import MakeHead
from synthseg_common.arrays import UInt8Array
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.arrays import Row
from synthseg_generator.draws.sample_parameters import draw_sample
from synthseg_generator.map_geometry import MapGeometry
from synthseg_generator.settings.generator import Crop, GeneratorSettings

SETTINGS = GeneratorSettings(crop=Crop(shape=(32, 32, 32)), n_channels=2)
SHAPE = (48, 56, 52)


def head_ids(make_head: MakeHead) -> UInt8Array:
    """A head as indices into the table of labels, `SHAPE`."""
    lookup = np.zeros(1000, np.uint8)
    lookup[list(GENERATION_V2.values)] = np.arange(len(GENERATION_V2))
    return lookup[make_head(SHAPE)]


def draw_row(k: int, settings: GeneratorSettings = SETTINGS) -> Row:
    """Parameters of sample `k` of seed 1."""
    return draw_sample(settings, GENERATION_V2, [MapGeometry(SHAPE)], 1, k).to_row()

"""Where a sample lies in the world."""

from __future__ import annotations

import numpy as np
from synthseg_generator.feed.placement import locate_crop
from synthseg_generator.feed.samples import SampleSource


def test_the_crop_lies_where_it_was_cut(source: SampleSource) -> None:
    parameters = source.parameters(0)
    index = int(parameters.map_index)
    start = parameters.crop_start - source.padding(source.store.shapes[index])
    np.testing.assert_allclose(
        locate_crop(source, parameters) @ [0, 0, 0, 1],
        source.store.affine(index) @ [*start, 1],
    )

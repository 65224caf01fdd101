"""The regressor's variables, as the original's own graph has them."""

from __future__ import annotations

import math

from synthseg_serving.official.quality_weights import quality_shapes


def test_it_has_the_originals_parameters() -> None:
    shapes = quality_shapes()
    assert sum(math.prod(shape) for shape in shapes.values()) == 12_450_663
    assert shapes["qc_conv_downarm_0_0/kernel"] == (5, 5, 5, 9, 24)
    assert shapes["qc_final_conv_0/kernel"] == (5, 5, 5, 192, 9)

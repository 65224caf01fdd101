"""Scans that end within the crop."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray
from small_graphs import SHAPE, draw_row
from synthseg_common.arrays import AnyArray
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.graph.field_of_view import apply_field_of_view, find_seen
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.settings.generator import (
    Crop,
    FieldOfView,
    GeneratorSettings,
    Uniform,
)


def test_the_share_along_an_axis_is_seen_and_no_more() -> None:
    shares = np.array([[0, 1], [0.25, 0.75], [0, 1]], np.float32)
    seen = ops.convert_to_numpy(find_seen(shares, (4, 8, 6)))
    assert seen.shape == (4, 8, 6)
    np.testing.assert_array_equal(seen[0, :, 0], [0, 0, 1, 1, 1, 1, 0, 0])
    assert (seen == seen[:1, :, :1]).all()


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_volume_keeps_its_shape_and_type(shape: tuple[int, ...], dtype: type) -> None:
    shares = np.array([[0.5, 1], [0, 1], [0, 1]], np.float32)
    volume: AnyArray = np.ones(shape, dtype)
    cut = ops.convert_to_numpy(apply_field_of_view(volume, shares))
    assert (cut.shape, cut.dtype) == (shape, volume.dtype)
    assert (cut[:2] == 0).all()
    assert (cut[2:] == 1).all()


def test_beyond_it_the_image_is_black_and_the_target_background(ids: NDArray[np.uint8]) -> None:
    settings = GeneratorSettings(
        crop=Crop(shape=(32, 32, 32)),
        field_of_view=FieldOfView(probability=1.0, fraction=Uniform(0.5, 0.5)),
    )
    noise = np.random.default_rng(0).standard_normal((32, 32, 32, 1)).astype(np.float32)
    row = draw_row(0, settings)
    image, target = (
        ops.convert_to_numpy(part)
        for part in Synthesizer(settings, GENERATION_V2, SHAPE)(ids, row, noise)
    )
    seen = ops.convert_to_numpy(find_seen(row["field_of_view"], (32, 32, 32)))
    assert seen.mean() == pytest.approx(0.5, abs=0.04)
    assert not image[~seen].any()
    assert not target[~seen].any()
    assert image[seen].any()
    assert target[seen].any()

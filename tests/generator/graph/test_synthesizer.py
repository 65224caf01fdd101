from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from compiled import finite_in_every_way
from keras import ops
from numpy.typing import NDArray
from small_graphs import SETTINGS, SHAPE, draw_row
from synthseg_common.labels import GENERATION_V2
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.settings.generator import (
    BiasField,
    Crop,
    Elastic,
    GeneratorSettings,
    Mixture,
    Prior,
    Uniform,
)


@pytest.fixture(scope="module")
def noise() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((32, 32, 32, 2)).astype(np.float32)


def test_image_lies_between_zero_and_one_and_target_in_the_table(
    ids: NDArray[np.uint8], noise: NDArray[np.float32]
) -> None:
    image, target = Synthesizer(SETTINGS, GENERATION_V2, SHAPE)(ids, draw_row(0), noise)
    image, target = ops.convert_to_numpy(image), ops.convert_to_numpy(target)
    assert image.shape == (32, 32, 32, 2)
    assert target.shape == (32, 32, 32)
    assert image.min() >= 0
    assert image.max() <= 1 + 1e-5
    assert set(np.unique(target)) <= set(range(33))


def test_same_parameters_and_noise_give_the_same_sample(
    ids: NDArray[np.uint8], noise: NDArray[np.float32]
) -> None:
    synthesizer = Synthesizer(SETTINGS, GENERATION_V2, SHAPE)
    for first, again in zip(*(synthesizer(ids, draw_row(3), noise) for _ in range(2)), strict=True):
        np.testing.assert_array_equal(first, again)


def test_compiled_graph_equals_eager_execution(
    ids: NDArray[np.uint8], noise: NDArray[np.float32]
) -> None:
    settings = GeneratorSettings(crop=SETTINGS.crop)
    synthesizer = Synthesizer(settings, GENERATION_V2, SHAPE)
    graph = tf.function(synthesizer, autograph=False)
    drawn, one = draw_row(2, settings), noise[..., :1]
    row = {name: tf.constant(value) for name, value in drawn.items()}
    image, target = graph(tf.constant(ids), row, tf.constant(one))
    expected_image, expected_target = synthesizer(ids, drawn, one)
    np.testing.assert_array_equal(target, expected_target)
    np.testing.assert_allclose(image, expected_image, atol=1e-5)


def test_a_crop_that_is_cut_everywhere_is_dark_however_it_is_compiled(
    ids: NDArray[np.uint8],
) -> None:
    settings = GeneratorSettings(
        crop=Crop(shape=(16, 16, 16)),
        mixture=Mixture(means=Prior(rows=((1e3, 1e3),)), stds=Prior(rows=((0.0, 0.0),))),
        bias_field=BiasField(strength=Uniform(0, 0)),
        elastic=Elastic(squarings=1),
    )
    synthesizer = Synthesizer(settings, GENERATION_V2, SHAPE)
    row = draw_row(2, settings)
    row = {**row, "means": np.full_like(row["means"], 1e3)}  # no dark background either
    noise = np.zeros((16, 16, 16, 1), np.float32)
    image, target = finite_in_every_way(synthesizer, ids, row, noise)
    assert not image.any()
    assert target.any()

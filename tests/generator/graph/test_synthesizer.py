from __future__ import annotations

from typing import Any

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
    generator_settings,
)

WHITE_MATTER = [GENERATION_V2.values.index(value) for value in (2, 41)]
# All shows what was painted, at once: no deviation, no bias, no blur beyond half a voxel.
CLEAR = {
    "crop": {"shape": [32, 32, 32]},
    "mixture": {"means": [100, 100], "stds": [0, 0]},
    "bias_field": {"strength": 0},
    "gamma_std": 0,
    "acquisition": {"native_probability": 1},
}


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


def make(
    ids: NDArray[np.uint8], values: dict[str, Any], k: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Image and target of a sample."""
    settings = generator_settings({**CLEAR, **values})
    synthesizer = Synthesizer(settings, GENERATION_V2, SHAPE)
    row = draw_row(k, settings)
    noise = np.random.default_rng(k).standard_normal((32, 32, 32, 1)).astype(np.float32)
    image, target = synthesizer(ids, row, noise)
    return np.asarray(image), np.asarray(target)


def test_lesions_are_painted_in_white_matter_alone_and_the_target_does_not_know(
    ids: NDArray[np.uint8],
) -> None:
    lesions = {"probability": 1, "threshold": [0.5, 0.5], "means": [200, 200], "stds": [0, 0]}
    settings = generator_settings({**CLEAR, "lesions": lesions})
    synthesizer = Synthesizer(settings, GENERATION_V2, SHAPE)
    row = draw_row(0, settings)
    row["means"] = np.full_like(row["means"], 100)
    cropped = synthesizer.deform(ids, row)
    noise = np.random.default_rng(0).standard_normal((32, 32, 32, 1)).astype(np.float32)
    mixed = np.asarray(synthesizer.mix(cropped, row, noise))[..., 0]
    white = np.isin(cropped, WHITE_MATTER)
    painted = mixed == 200
    assert 0.1 < painted[white].mean() < 0.6
    assert not painted[~white].any()
    assert set(np.unique(mixed[~white])) <= {0, 100}
    plain = make(ids, {})
    np.testing.assert_array_equal(make(ids, {"lesions": lesions})[1], plain[1])
    assert (make(ids, {"lesions": lesions})[0] != plain[0]).any()


def test_lesions_have_the_voxel_noise_of_the_image(ids: NDArray[np.uint8]) -> None:
    lesions = {"probability": 1, "threshold": [0, 0], "means": [100, 100], "stds": [5, 5]}
    settings = generator_settings({**CLEAR, "lesions": lesions})
    synthesizer = Synthesizer(settings, GENERATION_V2, SHAPE)
    row = draw_row(0, settings)
    noise = np.random.default_rng(0).standard_normal((32, 32, 32, 1)).astype(np.float32)
    mixed = np.asarray(synthesizer.mix(synthesizer.deform(ids, row), row, noise))
    painted = mixed != np.round(mixed)
    assert painted.any()
    np.testing.assert_allclose(mixed[painted], 100 + 5 * noise[painted], atol=1e-4)


@pytest.mark.parametrize(("csf_probability", "black"), [(0, {0}), (1, {0, 24})])
def test_a_stripped_scan_is_black_where_the_target_is_background(
    ids: NDArray[np.uint8], csf_probability: float, black: set[int]
) -> None:
    stripping = {"probability": 1, "csf_probability": csf_probability}
    settings = generator_settings({**CLEAR, "stripping": stripping})
    synthesizer = Synthesizer(settings, GENERATION_V2, SHAPE)
    row = draw_row(0, settings)
    cropped = synthesizer.deform(ids, row)
    noise = np.random.default_rng(0).standard_normal((32, 32, 32, 1)).astype(np.float32)
    mixed = np.asarray(synthesizer.mix(cropped, row, noise))[..., 0]
    hidden = np.isin(np.array(GENERATION_V2.targets)[np.asarray(cropped)], list(black))
    assert 0 < hidden.mean() < 1
    assert not mixed[hidden].any()
    assert np.all(mixed[~hidden] == 100)
    # What the other labels look like is not touched.
    plain = draw_row(0, generator_settings(CLEAR))
    for name in ("means", "stds"):
        kept = ~np.isin(GENERATION_V2.targets, list(black))
        np.testing.assert_array_equal(row[name][kept], plain[name][kept])


def test_beyond_the_field_of_view_image_and_target_are_0(ids: NDArray[np.uint8]) -> None:
    cut = {"field_of_view": {"probability": 1, "fraction": [0.5, 0.5]}}
    image, target = make(ids, cut)
    whole_image, whole_target = make(ids, {})
    (axis, shares), *_ = (
        (axis, shares)
        for axis, shares in enumerate(
            draw_row(0, generator_settings({**CLEAR, **cut}))["field_of_view"]
        )
        if shares[1] - shares[0] < 1
    )
    places = (np.arange(32) + 0.5) / 32
    seen = np.zeros((32, 32, 32), np.bool_)
    np.moveaxis(seen, axis, 0)[(places > shares[0]) & (places < shares[1])] = True
    assert 15 / 32 <= seen.mean() <= 17 / 32
    np.testing.assert_array_equal(image, np.where(seen[..., None], whole_image, 0))
    np.testing.assert_array_equal(target, np.where(seen, whole_target, 0))


def test_all_parts_together_are_the_same_however_they_are_compiled(
    ids: NDArray[np.uint8], noise: NDArray[np.float32]
) -> None:
    settings = generator_settings(
        {
            "crop": {"shape": [32, 32, 32]},
            "n_channels": 2,
            "growth": [{"labels": [2, 41], "probability": 1, "distance_mm": [-2, 2]}],
            "lesions": {"probability": 1, "threshold": [0.5, 1]},
            "stripping": {"probability": 1},
            "field_of_view": {"probability": 1},
        }
    )
    synthesizer = Synthesizer(settings, GENERATION_V2, SHAPE)
    drawn = draw_row(2, settings)
    graph = tf.function(synthesizer, autograph=False)
    row = {name: tf.constant(value) for name, value in drawn.items()}
    image, target = graph(tf.constant(ids), row, tf.constant(noise))
    expected_image, expected_target = synthesizer(ids, drawn, noise)
    # A coordinate on the border of two voxels may be rounded to either.
    assert (np.asarray(target) == np.asarray(expected_target)).mean() > 0.999
    assert np.abs(np.asarray(image) - np.asarray(expected_image)).mean() < 1e-3
    assert set(np.unique(target)) <= set(range(33))

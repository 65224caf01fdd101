from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled import finite_in_every_way
from keras import ops
from synthseg_generator.draws.intensity import draw_bias_field
from synthseg_generator.graph.intensity import (
    apply_bias_field,
    apply_clip,
    apply_gamma,
    apply_mixture,
    apply_normalisation,
)
from synthseg_generator.settings.generator import BiasField, Uniform

Tensor = Any

IMAGE = np.random.default_rng(0).random((16, 15, 14, 2), np.float32)


def test_zero_strength_leaves_image_unchanged() -> None:
    off = BiasField(strength=Uniform(0, 0))
    nodes = draw_bias_field(off, IMAGE.shape[:3], np.random.default_rng(0))
    log_nodes = np.stack([nodes, nodes], axis=-1)
    np.testing.assert_array_equal(apply_bias_field(IMAGE, log_nodes), IMAGE)


def test_uniform_log_field_multiplies_by_its_exponential() -> None:
    field = np.full((4, 4, 4, 2), np.log(3.0), np.float32)
    np.testing.assert_allclose(apply_bias_field(IMAGE, field), 3 * IMAGE, rtol=1e-5)


@pytest.mark.parametrize("log", [-500, 500])
def test_black_stays_black_under_the_strongest_field(log: int) -> None:
    field = np.full((3, 3, 3, 1), log, np.float32)
    assert not finite_in_every_way(apply_bias_field, np.zeros((8, 8, 8, 1), np.float32), field)[
        0
    ].any()


def test_mixture_shifts_and_scales_the_noise_of_each_label() -> None:
    labels = np.array([[[0, 1]]])
    noise = np.array([[[[1.0], [-2.0]]]], np.float32)
    means, stds = np.array([[10.0], [20.0]], np.float32), np.array([[1.0], [3.0]], np.float32)
    painted = ops.convert_to_numpy(apply_mixture(labels, means, stds, noise))
    assert painted.ravel().tolist() == [11.0, 14.0]


def test_clip_cuts_both_ends() -> None:
    clipped = apply_clip(np.array([-5.0, 10.0, 400.0], np.float32), 300.0)
    assert ops.convert_to_numpy(clipped).tolist() == [0, 10, 300]


def test_normalisation_spreads_each_channel_to_zero_and_one() -> None:
    scaled = ops.convert_to_numpy(apply_normalisation(IMAGE * np.array([3.0, 50.0], np.float32)))
    np.testing.assert_allclose(scaled.min(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.max(axis=(0, 1, 2)), 1, atol=1e-5)


# 300 is where the generative model cuts: beside it the least float32 step is 3e-5.
@pytest.mark.parametrize("value", [0.0, 1.0, 7.3, 300.0, 1e20])
def test_constant_channel_becomes_zero_however_it_is_compiled(value: float) -> None:
    image = np.full((8, 8, 8, 1), value, np.float32)
    assert not finite_in_every_way(apply_normalisation, image)[0].any()


def test_a_saturated_channel_beside_another_becomes_zero_however_it_is_compiled() -> None:
    image = np.stack([np.full((8, 8, 8), 1e4, np.float32), 99 * IMAGE[:8, :8, :8, 0]], axis=-1)
    (scaled,) = finite_in_every_way(lambda i: apply_normalisation(apply_clip(i, 300.0)), image)
    assert not scaled[..., 0].any()
    assert scaled[..., 1].max() == 1


def test_one_voxel_that_differs_from_saturated_ones_becomes_zero_and_they_one() -> None:
    image = np.full((8, 8, 8, 1), 1e4, np.float32)
    image[3, 3, 3] = 299.99
    (scaled,) = finite_in_every_way(lambda i: apply_normalisation(apply_clip(i, 300.0)), image)
    assert scaled[3, 3, 3] == 0
    assert scaled.sum() == scaled.size - 1


# With an exponent that is no whole number, what is a hair below 0 has no power.
def test_gamma_after_normalisation_is_finite_however_it_is_compiled() -> None:
    noise = np.random.default_rng(1).standard_normal(IMAGE.shape).astype(np.float32)
    exponents = np.array([0.37, 1.7], np.float32)
    field = np.random.default_rng(2).normal(0, 0.7, (3, 3, 3, 2)).astype(np.float32)

    def augment(image: Tensor, field: Tensor, noise: Tensor, exponents: Tensor) -> Tensor:
        image = apply_bias_field(image, field) + 0.3 * noise
        return apply_gamma(apply_normalisation(image), exponents)

    (image,) = finite_in_every_way(augment, 255 * IMAGE, field, noise, exponents)
    assert image.min() == 0
    assert image.max() == 1


def test_gamma_of_one_leaves_image_unchanged() -> None:
    np.testing.assert_allclose(apply_gamma(IMAGE, np.ones(2, np.float32)), IMAGE, rtol=1e-6)


def test_gamma_of_what_lies_a_hair_below_zero_is_zero() -> None:
    exponents = np.array([0.5], np.float32)
    assert finite_in_every_way(apply_gamma, np.array([[[[-1e-9]]]], np.float32), exponents)[0] == 0


def test_gamma_differs_between_channels() -> None:
    exponents = np.array([2.0, 0.5], np.float32)
    np.testing.assert_allclose(apply_gamma(IMAGE, exponents), IMAGE**exponents, rtol=1e-5)

import numpy as np
from keras import ops
from synthseg_generator.config import BiasField, Uniform
from synthseg_generator.intensity import (
    apply_bias_field,
    apply_clip,
    apply_gamma,
    apply_mixture,
    apply_normalisation,
)
from synthseg_generator.intensity_draws import draw_bias_field

IMAGE = np.random.default_rng(0).random((16, 15, 14, 2), np.float32)


def test_zero_strength_leaves_image_unchanged():
    off = BiasField(strength=Uniform(0, 0))
    nodes = draw_bias_field(off, IMAGE.shape[:3], np.random.default_rng(0))
    log_nodes = np.stack([nodes, nodes], axis=-1)
    np.testing.assert_array_equal(apply_bias_field(IMAGE, log_nodes), IMAGE)


def test_uniform_log_field_multiplies_by_its_exponential():
    field = np.full((4, 4, 4, 2), np.log(3.0), np.float32)
    np.testing.assert_allclose(apply_bias_field(IMAGE, field), 3 * IMAGE, rtol=1e-5)


def test_mixture_shifts_and_scales_the_noise_of_each_label():
    labels = np.array([[[0, 1]]])
    noise = np.array([[[[1.0], [-2.0]]]], np.float32)
    means, stds = np.array([[10.0], [20.0]], np.float32), np.array([[1.0], [3.0]], np.float32)
    painted = ops.convert_to_numpy(apply_mixture(labels, means, stds, noise))
    assert painted.ravel().tolist() == [11.0, 14.0]


def test_clip_cuts_both_ends():
    clipped = apply_clip(np.array([-5.0, 10.0, 400.0], np.float32), 300.0)
    assert ops.convert_to_numpy(clipped).tolist() == [0, 10, 300]


def test_normalisation_spreads_each_channel_to_zero_and_one():
    scaled = ops.convert_to_numpy(apply_normalisation(IMAGE * np.array([3.0, 50.0], np.float32)))
    np.testing.assert_allclose(scaled.min(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.max(axis=(0, 1, 2)), 1, atol=1e-5)


def test_constant_channel_becomes_zero_and_stays_finite():
    assert not ops.convert_to_numpy(apply_normalisation(np.ones((4, 4, 4, 1), np.float32))).any()


def test_gamma_of_one_leaves_image_unchanged():
    np.testing.assert_allclose(apply_gamma(IMAGE, np.ones(2, np.float32)), IMAGE, rtol=1e-6)


def test_gamma_differs_between_channels():
    exponents = np.array([2.0, 0.5], np.float32)
    np.testing.assert_allclose(apply_gamma(IMAGE, exponents), IMAGE**exponents, rtol=1e-5)

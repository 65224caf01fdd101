from typing import Any

import numpy as np
from scipy.stats import kstest
from synthseg_generator.draws.shape import compose_affine, draw_affine, draw_velocity
from synthseg_generator.settings.generator import (
    Affine,
    Elastic,
    Uniform,
    each_axis,
    each_term,
)

OFF = Uniform(0, 0)


def test_no_affine_strength_is_the_identity() -> None:
    still = Affine(
        rotation_deg=each_axis(OFF),
        scaling=each_axis(Uniform(1, 1)),
        shearing=each_term(OFF),
        translation=each_axis(OFF),
    )
    np.testing.assert_array_equal(draw_affine(still, np.random.default_rng(0)), np.eye(3, 4))


def test_rotation_about_z_turns_x_to_y() -> None:
    matrix = compose_affine([0, 0, 90], [1, 1, 1], [0] * 6, [0, 0, 5])
    np.testing.assert_allclose(matrix @ [1, 0, 0, 1], [0, 1, 5], atol=1e-12)


def test_no_elastic_strength_is_no_velocity() -> None:
    still = Elastic(strength=OFF)
    assert not draw_velocity(still, (48, 52, 50), np.random.default_rng(0)).any()


def test_each_shear_term_has_its_own_interval() -> None:
    terms: Any = tuple(Uniform(n / 100, n / 100) for n in range(6))
    still: dict[str, Any] = {"rotation_deg": each_axis(OFF), "scaling": each_axis(Uniform(1, 1))}
    matrix = draw_affine(Affine(**still, shearing=terms), np.random.default_rng(0))
    np.testing.assert_allclose(
        matrix[:, :3], [[1, 0, 0.01], [0.02, 1, 0.03], [0.04, 0.05, 1]], atol=1e-12
    )


def test_each_axis_is_drawn_on_its_own() -> None:
    rng = np.random.default_rng(0)
    moved = np.array(
        [draw_affine(Affine(translation=each_axis(Uniform(-5, 5))), rng)[:, 3] for _ in range(300)]
    )
    assert np.abs(np.corrcoef(moved.T) - np.eye(3)).max() < 0.2


def test_velocities_spread_as_a_uniform_draw_of_their_deviation_says() -> None:
    """Strength U(0, 4): the deviations of many fields are even between 0 and 4."""
    rng = np.random.default_rng(1)
    spreads = [draw_velocity(Elastic(), (256, 256, 256), rng).std() for _ in range(150)]
    assert kstest(spreads, "uniform", args=(0, 4)).pvalue > 1e-3


def test_factors_are_drawn_evenly() -> None:
    still: dict[str, Any] = {"rotation_deg": each_axis(OFF), "shearing": each_term(OFF)}
    rng = np.random.default_rng(1)
    factors = np.array([np.diag(draw_affine(Affine(**still), rng)) for _ in range(200)])
    assert kstest(factors.ravel(), "uniform", args=(0.8, 0.4)).pvalue > 1e-3


def test_angles_are_drawn_evenly() -> None:
    still: dict[str, Any] = {"scaling": each_axis(Uniform(1, 1)), "shearing": each_term(OFF)}
    about_z = Affine(**still, rotation_deg=(OFF, OFF, Uniform(-15, 15)))
    rng = np.random.default_rng(1)
    turns = [draw_affine(about_z, rng)[1, 0] for _ in range(300)]
    assert kstest(np.rad2deg(np.arcsin(turns)), "uniform", args=(-15, 30)).pvalue > 1e-3

"""What a settings file may write shorter."""

from __future__ import annotations

import pytest
from synthseg_generator.settings.generator import (
    Uniform,
    each_axis,
    each_term,
    generator_settings,
)
from synthseg_generator.settings.ranges import Triple
from synthseg_generator.settings.shape import Affine


def _affine(**values: object) -> Affine:
    return generator_settings({"affine": values}).affine


def test_one_interval_stands_for_three_axes() -> None:
    assert _affine(rotation_deg=[-5, 5]).rotation_deg == each_axis(Uniform(-5, 5))


def test_each_axis_may_have_its_own_interval_or_bound() -> None:
    assert _affine(scaling=[[1, 1], [0.9, 1.1], [1, 2]]).scaling == (
        Uniform(1, 1),
        Uniform(0.9, 1.1),
        Uniform(1, 2),
    )
    assert _affine(rotation_deg=[5, [0, 1], False]).rotation_deg == (
        Uniform(-5, 5),
        Uniform(0, 1),
        Uniform(0, 0),
    )


def test_a_bound_lies_around_the_neutral_value() -> None:
    affine = _affine(rotation_deg=5, scaling=0.25, shearing=0.5, translation=3)
    assert affine.rotation_deg == each_axis(Uniform(-5, 5))
    assert affine.scaling == each_axis(Uniform(0.75, 1.25))
    assert affine.shearing == each_term(Uniform(-0.5, 0.5))
    assert affine.translation == each_axis(Uniform(-3, 3))


@pytest.mark.parametrize("off", [False, None, 0])
def test_off_is_the_neutral_value(off: bool | int | None) -> None:
    affine = _affine(rotation_deg=off, scaling=off, shearing=off, translation=off)
    assert affine.rotation_deg == affine.translation == each_axis(Uniform(0, 0))
    assert affine.scaling == each_axis(Uniform(1, 1))
    assert affine.shearing == each_term(Uniform(0, 0))


def test_shear_terms_may_differ() -> None:
    terms = [[n, n + 1] for n in range(6)]
    assert _affine(shearing=terms).shearing == tuple(Uniform(*term) for term in terms)


def test_a_strength_alone_is_its_upper_bound() -> None:
    settings = generator_settings({"elastic": {"strength": 3}, "bias_field": {"strength": False}})
    assert settings.elastic.strength == Uniform(0, 3)
    assert settings.bias_field.strength == Uniform(0, 0)


def test_one_length_stands_for_three_axes() -> None:
    settings = generator_settings(
        {"crop": {"shape": 96, "spacing_mm": 1.5}, "acquisition": {"max_isotropic_mm": 3}}
    )
    assert settings.crop.shape == (96, 96, 96)
    assert settings.crop.spacing_mm == (1.5, 1.5, 1.5)
    assert settings.acquisition.max_isotropic_mm == (3, 3, 3)


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (3, ((3, 3, 3),)),
        ([1, 1, 5], ((1, 1, 5),)),
        ([[1, 1, 3], [1, 2.5, 1]], ((1, 1, 3), (1, 2.5, 1))),
        (False, ()),
    ],
)
def test_fixed_spacing_is_one_length_one_row_or_a_row_per_channel(
    value: object, rows: tuple[Triple, ...]
) -> None:
    settings = generator_settings({"n_channels": 2, "acquisition": {"fixed_spacing_mm": value}})
    assert settings.acquisition.fixed_spacing_mm == rows


def test_weights_of_maps_are_a_mapping() -> None:
    assert generator_settings({"map_weights": {"a": 2, "b": 0}}).map_weights == (
        ("a", 2.0),
        ("b", 0.0),
    )


@pytest.mark.parametrize("off", [False, None, []])
def test_nothing_grows_where_growth_is_off(off: object) -> None:
    assert generator_settings({"growth": off}).growth == ()

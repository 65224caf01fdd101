from __future__ import annotations

from synthseg_generator.settings.generator import (
    Crop,
    GeneratorSettings,
    Uniform,
    each_axis,
    generator_settings,
)


def test_defaults_are_the_released_parameters() -> None:
    settings = GeneratorSettings()
    assert settings.crop.shape == (160, 160, 160)
    assert settings.affine.rotation_deg == each_axis(Uniform(-15, 15))
    assert settings.elastic.strength == Uniform(0, 4)
    assert settings.bias_field.strength == Uniform(0, 0.7)


def test_a_whole_map_is_asked_for_with_null() -> None:
    assert generator_settings({"crop": {"shape": None, "multiple": 32}}).crop == Crop(
        shape=None, multiple=32
    )

"""Settings over those of a base, and all that is wrong at once."""

from __future__ import annotations

import pickle

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import (
    GeneratorSettings,
    generator_settings,
)


def test_no_values_leave_the_defaults() -> None:
    assert generator_settings({}) == GeneratorSettings()


def test_values_lie_over_those_of_the_base() -> None:
    base = generator_settings({"crop": {"jitter": 3}, "gamma_std": 0.1})
    settings = generator_settings({"crop": {"placement": "centred"}}, base)
    assert (settings.crop.jitter, settings.crop.placement, settings.gamma_std) == (
        3,
        "centred",
        0.1,
    )


def test_all_settings_that_are_wrong_are_named_at_once() -> None:
    values = {
        "colour": "red",
        "gama_std": 1,
        "flip_probability": "often",
        "crop": {"shape": [0, 1, 1]},
        "elastic": {"squarings": 1.5, "strenght": 2},
        "mixture": {"specific_probability": 2},
    }
    with pytest.raises(ConfigError) as caught:
        generator_settings(values)
    title, *lines = str(caught.value).splitlines()
    assert title == "6 settings are wrong:"
    for named in (
        "unknown settings generator.colour, generator.gama_std; generator has acquisition, ",
        "generator.flip_probability: expected a number, got 'often'",
        "crop.shape needs three whole sides",
        "unknown setting generator.elastic.strenght; generator.elastic has ",
        "generator.elastic.squarings: expected a whole number, got 1.5",
        "mixture.specific_probability must lie between 0 and 1, got 2",
    ):
        assert sum(named in line for line in lines) == 1, named


def test_an_error_of_several_settings_passes_from_one_process_to_another() -> None:
    with pytest.raises(ConfigError) as caught:
        generator_settings({"colour": 1, "gamma_std": "x"})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)

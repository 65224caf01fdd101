"""Settings of the generative model in files."""

import json

import pytest
from synthseg_generator.config import GeneratorSettings, Mixture, Prior, generator_settings
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings_file import (
    load_settings,
    settings_digest,
    settings_to_mapping,
)

KNOWN_CONTRAST = Prior(distribution="normal", rows=((10.0, 1.0), (20.0, 2.0)))
SPECIFIC = GeneratorSettings(
    n_channels=2,
    mixture=Mixture(specific_means=(KNOWN_CONTRAST,), specific_stds=(KNOWN_CONTRAST,)),
)


@pytest.mark.parametrize("settings", [GeneratorSettings(), SPECIFIC])
def test_settings_come_back_from_json(settings):
    mapping = json.loads(json.dumps(settings_to_mapping(settings)))
    assert generator_settings(mapping) == settings
    assert settings_digest(generator_settings(mapping)) == settings_digest(settings)


def test_other_settings_have_another_digest():
    assert settings_digest(GeneratorSettings()) != settings_digest(SPECIFIC)


def test_without_a_file_the_settings_are_those_of_the_released_model():
    assert load_settings(None) == GeneratorSettings()


@pytest.mark.parametrize("text", ["n_channels: 2", "generator:\n  n_channels: 2\nsteps: 5"])
def test_a_file_holds_the_groups_alone_or_as_a_trainings_file_does(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    assert load_settings(tmp_path / "s.yaml").n_channels == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colour: red", "unknown setting generator.colour"),
        ("crop: {shape: [0, 1, 1]}", "crop.shape needs three whole sides"),
        ("[1, 2]", "holds no settings"),
        ("a: [", "no readable YAML"),
    ],
)
def test_a_bad_file_is_refused_by_name_in_one_line(tmp_path, text, complaint):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_settings(tmp_path / "bad.yaml")
    assert "bad.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        load_settings(tmp_path / "gone.yaml")

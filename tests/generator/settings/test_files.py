"""Settings of the generative model in files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings import files
from synthseg_generator.settings.files import (
    complete_mapping,
    digest_settings,
    dump_settings,
    list_recipes,
    load_scan_noise,
    load_settings,
    read_yaml,
)
from synthseg_generator.settings.generator import (
    BiasField,
    GeneratorSettings,
    Growth,
    Mixture,
    Prior,
    Uniform,
    each_axis,
    each_term,
    generator_settings,
)

KNOWN_CONTRAST = Prior(distribution="normal", rows=((10.0, 1.0), (20.0, 2.0)))
SPECIFIC = GeneratorSettings(
    n_channels=2,
    mixture=Mixture(specific_means=(KNOWN_CONTRAST,), specific_stds=(KNOWN_CONTRAST,)),
)


GROWING = GeneratorSettings(
    growth=(Growth(labels=(4, 43), probability=0.5, distance_mm=Uniform(-1.0, 3.0)),)
)


@pytest.mark.parametrize("settings", [GeneratorSettings(), SPECIFIC, GROWING])
def test_settings_come_back_from_json(settings: GeneratorSettings) -> None:
    mapping = json.loads(json.dumps(dump_settings(settings)))
    assert generator_settings(mapping) == settings
    assert digest_settings(generator_settings(mapping)) == digest_settings(settings)


def test_other_settings_have_another_digest() -> None:
    assert digest_settings(GeneratorSettings()) != digest_settings(SPECIFIC)


def test_digests_stay_those_that_runs_were_begun_with() -> None:
    """A best network is kept by the digest of its settings; parts that came later change none."""
    digest = digest_settings(GeneratorSettings())
    assert digest == "5823bffb286b8dcd09423cc9ce4915de77b2a589c9376014d4f1d20cd047fcc9"


@pytest.mark.parametrize("group", ["lesions", "stripping", "field_of_view"])
def test_settings_with_a_later_part_have_another_digest(group: str) -> None:
    settings = generator_settings({group: {"probability": 0.5}})
    assert digest_settings(settings) != digest_settings(GeneratorSettings())


def test_without_a_file_the_settings_are_those_of_the_released_model() -> None:
    assert load_settings(None) == GeneratorSettings()


@pytest.mark.parametrize("text", ["n_channels: 2", "generator:\n  n_channels: 2\nsteps: 5"])
def test_a_file_holds_the_groups_alone_or_as_a_trainings_file_does(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "s.yaml").write_text(text)
    assert load_settings(tmp_path / "s.yaml").n_channels == 2


@pytest.mark.parametrize("group", ["stages: [{name: warm-up, steps: 1}]", "supervised: {}"])
def test_a_trainings_file_may_leave_the_generative_model_as_it_is(
    tmp_path: Path, group: str
) -> None:
    (tmp_path / "s.yaml").write_text(f"{group}\nseed: 3")
    assert load_settings(tmp_path / "s.yaml") == GeneratorSettings()


@pytest.mark.parametrize("group", ["true", "{nois: {std: [0, 6]}}"])
def test_scans_settings_that_a_training_would_refuse_are_refused(
    tmp_path: Path, group: str
) -> None:
    (tmp_path / "s.yaml").write_text(f"supervised: {group}")
    with pytest.raises(ConfigError, match=r"s\.yaml: supervised holds `enabled` and `noise` alone"):
        load_scan_noise(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colour: red", "unknown setting generator.colour"),
        ("crop: {shape: [0, 1, 1]}", "crop.shape needs three whole sides"),
        ("[1, 2]", "holds no settings"),
        ("a: [", "no readable YAML"),
    ],
)
def test_a_bad_file_is_refused_by_name_in_one_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_settings(tmp_path / "bad.yaml")
    assert "bad.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_released_recipe_names_every_setting_and_is_the_default() -> None:
    written = load_settings("released")
    assert written == GeneratorSettings()
    path = Path(files.__file__).parent / "recipes" / "released.yaml"
    names = _names(read_yaml(path))
    assert names == _names(dataclasses.asdict(GeneratorSettings()))


def _names(
    values: Mapping[str, Any],
    inside: tuple[str, ...] = ("labels", "crop", "affine", "elastic", "mixture", "bias_field"),
) -> dict[str, list[str] | None]:
    """Names of settings, and of those in groups."""
    groups = (*inside, "acquisition")
    return {name: sorted(values[name]) if name in groups else None for name in values}


def test_the_2021_recipe_holds_what_the_first_release_had_otherwise() -> None:
    settings = load_settings(Path("2021"))
    assert settings.crop.shape == (96, 96, 96)
    assert settings.affine.scaling == each_axis(Uniform(0.85, 1.15))
    assert settings.affine.rotation_deg == GeneratorSettings().affine.rotation_deg
    assert settings.elastic.strength == Uniform(0, 3)
    assert settings.mixture.means.rows == ((25, 225),)
    assert settings.mixture.stds.rows == ((5, 25),)
    assert settings.bias_field == BiasField(strength=Uniform(0, 0.5), probability=1)
    assert settings.gamma_std == 0.4
    assert settings.acquisition == GeneratorSettings().acquisition


def test_every_recipe_can_be_read() -> None:
    assert {"2021", "released"} <= set(list_recipes())
    for name in list_recipes():
        load_settings(name)


def test_a_file_of_the_name_of_a_recipe_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("2021").write_text("n_channels: 3")
    assert load_settings("2021").n_channels == 3


def test_a_folder_of_the_name_of_a_recipe_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("2021").mkdir()
    assert load_settings("2021").gamma_std == 0.4


def test_settings_that_earlier_versions_wrote_into_checkpoints_are_read() -> None:
    """They named the bounds of intervals, had one shear interval and one largest spacing."""
    old = {
        "affine": {
            "shearing": {"low": -0.1, "high": 0.1},
            "rotation_deg": [{"low": 0, "high": 1}] * 3,
        },
        "elastic": {"strength": {"low": 1, "high": 2}},
        "acquisition": {"max_isotropic_mm": 3.0, "max_anisotropic_mm": 6.0},
        "mixture": {"means": {"distribution": "uniform", "rows": [[0.0, 250.0]]}},
    }
    settings = generator_settings(old)
    assert settings.affine.shearing == each_term(Uniform(-0.1, 0.1))
    assert settings.acquisition.max_isotropic_mm == (3, 3, 3)
    assert settings.elastic.strength == Uniform(1, 2)
    assert settings.growth == ()
    again = json.loads(json.dumps(dataclasses.asdict(settings)))
    assert generator_settings(again) == settings


def test_growth_comes_back_from_what_checkpoints_hold() -> None:
    again = json.loads(json.dumps(dataclasses.asdict(GROWING)))
    assert generator_settings(again) == GROWING


def test_settings_of_an_earlier_version_are_those_of_now_with_defaults() -> None:
    old = dump_settings(SPECIFIC)
    del old["image_gradients"], old["crop"]["spacing_mm"]
    old["affine"]["shearing"] = old["affine"]["shearing"][0]
    assert complete_mapping(old) == dump_settings(SPECIFIC)
    assert complete_mapping({"gone": 1}) == {"gone": 1}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        load_settings(tmp_path / "gone.yaml")

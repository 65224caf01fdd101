"""What is unknown or unfit is refused by its name."""

from __future__ import annotations

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import (
    generator_settings,
)

KNOWN = {"rows": [[0, 1]]}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"crops": {}}, "generator.crops"),
        ({"crop": {"size": 3}}, "generator.crop.size"),
        ({"crop": 3}, "generator.crop must be a group"),
        ({"crop": {"shape": [1, 2]}}, "generator.crop.shape"),
        ({"crop": {"shape": [1.5, 2, 2]}}, "generator.crop.shape"),
        ({"crop": {"shape": [64, 64, 100], "multiple": 32}}, r"crop.shape .* contradicts .*64, 96"),
        ({"crop": {"multiple": 0}}, "crop.multiple"),
        ({"crop": {"spacing_mm": [1, 0, 1]}}, "crop.spacing_mm"),
        ({"crop": {"placement": "left"}}, "crop.placement"),
        ({"crop": {"jitter": -1}}, "crop.jitter"),
        ({"affine": {"shearing": [2, 1]}}, "generator.affine.shearing"),
        ({"affine": {"shearing": [[0, 1]] * 3}}, "generator.affine.shearing.*list of 6"),
        ({"affine": {"rotation_deg": -5}}, "generator.affine.rotation_deg"),
        ({"affine": {"rotation_deg": True}}, "generator.affine.rotation_deg"),
        ({"affine": {"rotation_deg": "wide"}}, "generator.affine.rotation_deg"),
        ({"affine": {"translation": [[0, 1], [0, 1]]}}, "generator.affine.translation"),
        ({"affine": {"translation": [0, float("inf")]}}, "generator.affine.translation"),
        ({"affine": {"scaling": 1}}, "affine.scaling must be positive"),
        ({"elastic": {"strength": "high"}}, "generator.elastic.strength"),
        ({"elastic": {"strength": [-1, 1]}}, "elastic.strength"),
        ({"elastic": {"strength": -1}}, "generator.elastic.strength"),
        ({"elastic": {"scale": 0}}, "elastic.scale"),
        ({"elastic": {"scale": 2}}, "elastic.scale"),
        ({"elastic": {"integration_step": 0}}, "elastic.integration_step"),
        ({"elastic": {"squarings": -1}}, "elastic.squarings"),
        ({"elastic": {"squarings": 21}}, "elastic.squarings"),
        ({"gamma_std": "wide"}, "generator.gamma_std"),
        ({"gamma_std": -1}, "gamma_std"),
        ({"gamma_std": "1e-1"}, "generator.gamma_std.*'1e-1'.*YAML knows exponents as in 1.0e-4"),
        ({"clip": 0}, "clip"),
        ({"flip_probability": 1.5}, "flip_probability"),
        ({"n_channels": 0}, "n_channels"),
        ({"n_channels": 1.5}, "n_channels"),
        ({"n_channels": float("inf")}, "generator.n_channels"),
        ({"clip": 10**400}, "generator.clip"),
        ({"image_gradients": 1}, "generator.image_gradients"),
        ({"map_weights": {"a": -1}}, "map_weights"),
        ({"map_weights": [["a", 1], ["a", 2]]}, "map_weights names a map twice"),
        ({"map_weights": ["a"]}, "generator.map_weights"),
        ({"labels": {"classes": "tissues"}}, "generator.labels.classes.*contrast_specific"),
        ({"labels": {"targets": [0, "x"]}}, "generator.labels.targets"),
        ({"labels": {"targets": {2: 3}}}, "generator.labels.targets: expected a list"),
        ({"labels": {"topology": []}}, "generator.labels.topology"),
        ({"bias_field": {"probability": -1}}, "bias_field.probability"),
        ({"bias_field": {"strength": [-1, 0]}}, "bias_field.strength"),
        ({"bias_field": {"scale": 0}}, "bias_field.scale"),
        ({"acquisition": {"blur_jitter": 0.5}}, "acquisition.blur_jitter"),
        ({"acquisition": {"blur_jitter": float("inf")}}, "acquisition.blur_jitter"),
        ({"acquisition": {"max_isotropic_mm": -1}}, "acquisition.max_isotropic_mm"),
        ({"acquisition": {"isotropic_probability": 2}}, "acquisition.isotropic_probability"),
        ({"acquisition": {"native_probability": 2}}, "acquisition.native_probability"),
        ({"acquisition": {"fixed_thickness_mm": 2}}, "fixed_thickness_mm needs"),
        ({"acquisition": {"fixed_spacing_mm": [1, 2]}}, "generator.acquisition.fixed_spacing_mm"),
        ({"acquisition": {"fixed_spacing_mm": [0, 1, 1]}}, "acquisition.fixed_spacing_mm"),
        ({"acquisition": {"fixed_spacing_mm": [[1, 1, 1]] * 2}}, "fixed_spacing_mm has 2 rows"),
        (
            {"acquisition": {"fixed_spacing_mm": 2, "max_isotropic_mm": 3}},
            "acquisition.max_isotropic_mm has no effect beside acquisition.fixed_spacing_mm",
        ),
        ({"mixture": {"means": {"rows": [[2, 1]]}}}, "mixture.means"),
        ({"mixture": {"means": {"rows": [[0, 1]], "kind": "flat"}}}, "mixture.means.*unknown kind"),
        ({"mixture": {"means": {"distribution": "normal"}}}, "mixture.means.*no rows"),
        ({"mixture": {"means": {"distribution": "flat", "rows": [[0, 1]]}}}, "mixture.means"),
        ({"mixture": {"means": {"distribution": "normal", "rows": [[0, -1]]}}}, "mixture.means"),
        ({"mixture": {"means": [0, float("nan")]}}, "mixture.means"),
        ({"mixture": {"specific_means": [KNOWN]}}, "as many of each"),
        ({"mixture": {"specific_probability": 2}}, "mixture.specific_probability"),
        ({"mixture": {"specific_pairing": "both"}}, "mixture.specific_pairing"),
        ({"mixture": {"specific_choice": "all"}}, "mixture.specific_choice"),
        (
            {
                "n_channels": 3,
                "mixture": {
                    "specific_means": [KNOWN] * 2,
                    "specific_stds": [KNOWN] * 2,
                    "specific_choice": "channel",
                },
            },
            "mixture.specific_means has 2 priors for n_channels 3",
        ),
    ],
)
def test_unknown_and_unfit_settings_are_refused_by_name(
    values: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        generator_settings(values)


def test_of_a_long_list_the_first_wrong_entry_is_told_with_its_number() -> None:
    values = {"labels": {"targets": [0, 1, "x", "y"]}}
    with pytest.raises(ConfigError) as caught:
        generator_settings(values)
    assert str(caught.value) == "generator.labels.targets[2]: expected a number, got 'x'."


def test_beside_a_group_that_is_unfit_the_rest_is_checked() -> None:
    with pytest.raises(ConfigError) as caught:
        generator_settings({"crop": {"jitter": -1}, "n_channels": 0})
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 settings are wrong:"
    assert "crop.jitter" in lines[1]
    assert "n_channels" in lines[2]

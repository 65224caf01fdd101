import pickle

import pytest
from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.generator import (
    Crop,
    GeneratorSettings,
    Prior,
    Uniform,
    each_axis,
    each_term,
    generator_settings,
)


def test_defaults_are_the_released_parameters() -> None:
    settings = GeneratorSettings()
    assert settings.crop.shape == (160, 160, 160)
    assert settings.affine.rotation_deg == each_axis(Uniform(-15, 15))
    assert settings.elastic.strength == Uniform(0, 4)
    assert settings.bias_field.strength == Uniform(0, 0.7)


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


def _affine(**values):
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
def test_fixed_spacing_is_one_length_one_row_or_a_row_per_channel(value, rows) -> None:
    settings = generator_settings({"n_channels": 2, "acquisition": {"fixed_spacing_mm": value}})
    assert settings.acquisition.fixed_spacing_mm == rows


def test_a_whole_map_is_asked_for_with_null() -> None:
    assert generator_settings({"crop": {"shape": None, "multiple": 32}}).crop == Crop(
        shape=None, multiple=32
    )


def test_a_prior_may_be_one_pair() -> None:
    assert generator_settings({"mixture": {"means": [25, 225]}}).mixture.means == Prior(
        rows=((25, 225),)
    )


def test_weights_of_maps_are_a_mapping() -> None:
    assert generator_settings({"map_weights": {"a": 2, "b": 0}}).map_weights == (
        ("a", 2.0),
        ("b", 0.0),
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
def test_unknown_and_unfit_settings_are_refused_by_name(values, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        generator_settings(values)


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

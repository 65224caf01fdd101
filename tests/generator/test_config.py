import pytest
from synthseg_generator.config import GeneratorSettings, Uniform, generator_settings
from synthseg_generator.errors import ConfigError


def test_defaults_are_the_released_parameters():
    settings = GeneratorSettings()
    assert settings.crop.shape == (160, 160, 160)
    assert settings.affine.rotation_deg == (Uniform(-15, 15),) * 3
    assert settings.elastic.strength == Uniform(0, 4)
    assert settings.bias_field.strength == Uniform(0, 0.7)


def test_no_values_leave_the_defaults():
    assert generator_settings({}) == GeneratorSettings()


def test_one_interval_stands_for_three_axes():
    settings = generator_settings({"affine": {"rotation_deg": [-5, 5]}})
    assert settings.affine.rotation_deg == (Uniform(-5, 5),) * 3


def test_each_axis_may_have_its_own_interval():
    settings = generator_settings({"affine": {"scaling": [[1, 1], [0.9, 1.1], [1, 2]]}})
    assert settings.affine.scaling == (Uniform(1, 1), Uniform(0.9, 1.1), Uniform(1, 2))


def test_values_lie_over_those_of_the_base():
    base = generator_settings({"crop": {"jitter": 3}, "gamma_std": 0.1})
    settings = generator_settings({"crop": {"placement": "centred"}}, base)
    assert (settings.crop.jitter, settings.crop.placement, settings.gamma_std) == (
        3,
        "centred",
        0.1,
    )


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"crops": {}}, "generator.crops"),
        ({"crop": {"size": 3}}, "generator.crop.size"),
        ({"crop": 3}, "generator.crop must be a group"),
        ({"crop": {"shape": [1, 2]}}, "generator.crop.shape"),
        ({"crop": {"shape": [1.5, 2, 2]}}, "generator.crop.shape"),
        ({"crop": {"placement": "left"}}, "crop.placement"),
        ({"affine": {"shearing": [2, 1]}}, "generator.affine.shearing"),
        ({"elastic": {"strength": "high"}}, "generator.elastic.strength"),
        ({"gamma_std": "wide"}, "generator.gamma_std"),
        ({"flip_probability": 1.5}, "flip_probability"),
        ({"n_channels": 0}, "n_channels"),
        ({"bias_field": {"probability": -1}}, "bias_field.probability"),
        ({"acquisition": {"blur_jitter": 0.5}}, "acquisition.blur_jitter"),
        ({"mixture": {"means": {"rows": [[2, 1]]}}}, "mixture.means"),
        ({"mixture": {"means": {"distribution": "flat", "rows": [[0, 1]]}}}, "mixture.means"),
        ({"mixture": {"specific_means": [{"rows": [[0, 1]]}]}}, "as many of each"),
    ],
)
def test_unknown_and_unfit_settings_are_refused_by_name(values, named):
    with pytest.raises(ConfigError, match=named):
        generator_settings(values)
